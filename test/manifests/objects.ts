/** Generates objects of the kinds that the plugin reads: valid ones, and ones with hostile values in any place. */
import fc from 'fast-check';

export interface KindUnderTest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly isNamespaced: boolean;
  /** Path of the collection to which the object is posted. */
  readonly path: (namespace: string) => string;
  readonly valid: fc.Arbitrary<Record<string, unknown>>;
}

const label = fc.constantFrom('app', 'team', 'a.b/c');
const value = fc.constantFrom('web', 'db', '', 'x_y.z');
const labels = fc.dictionary(label, value, { maxKeys: 2, noNullPrototype: true });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const expression = fc.oneof(
  fc.record({
    key: label,
    operator: fc.constantFrom('In', 'NotIn'),
    values: fc.array(value, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ key: label, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);
const selector = fc.record(
  { matchLabels: labels, matchExpressions: fc.array(expression, { maxLength: 2 }) },
  { requiredKeys: [] },
);
const port = fc.oneof(
  fc.record(
    {
      port: fc.oneof(fc.integer({ min: 1, max: 30_000 }), fc.constantFrom('http', 'dns-tcp')),
      protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'),
    },
    { requiredKeys: [] },
  ),
  fc.record({ port: fc.integer({ min: 1, max: 100 }), endPort: fc.integer({ min: 100, max: 65_535 }) }),
);
const ipBlock = fc.constantFrom(
  { cidr: '10.0.0.0/8' },
  { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] },
  { cidr: '::/0', except: ['fd00::/8'] },
  { cidr: '0.0.0.0/0' },
);
const peer = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ namespaceSelector: selector, podSelector: selector }),
  fc.record({ ipBlock }),
);
const list = <T>(arbitrary: fc.Arbitrary<T>) => fc.array(arbitrary, { maxLength: 2 });

const networkPolicySpec = fc.record(
  {
    podSelector: selector,
    policyTypes: fc.constantFrom(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
    ingress: list(fc.record({ from: list(peer), ports: list(port) }, { requiredKeys: [] })),
    egress: list(fc.record({ to: list(peer), ports: list(port) }, { requiredKeys: [] })),
  },
  { requiredKeys: ['podSelector'] },
);

const container = fc.record(
  {
    name: fc.constant('main'),
    image: fc.constant('registry.example/a'),
    ports: fc.constantFrom(
      [{ containerPort: 80 }],
      [
        { name: 'http', containerPort: 8080, protocol: 'TCP' },
        { name: 'dns', containerPort: 53, protocol: 'UDP' },
      ],
    ),
    resources: fc.constantFrom({ limits: { cpu: '1', memory: '1Gi' } }, { requests: { cpu: 1 } }),
    env: fc.constant([{ name: 'A', value: 'b' }]),
  },
  { requiredKeys: ['name', 'image'] },
);
const podSpec = (restartPolicy: string) =>
  fc.record(
    {
      containers: container.map((each) => [each]),
      initContainers: container.map((each) => [{ ...each, name: 'init', restartPolicy: 'Always' }]),
      hostNetwork: fc.constant(false),
      restartPolicy: fc.constant(restartPolicy),
      terminationGracePeriodSeconds: fc.constant(30),
    },
    { requiredKeys: ['containers', 'restartPolicy'] },
  );
const template = (restartPolicy: string) =>
  fc.record({ metadata: fc.constant({ labels: { app: 'web' } }), spec: podSpec(restartPolicy) });
const workloadSpec = fc.record(
  {
    selector: fc.constant({ matchLabels: { app: 'web' } }),
    template: template('Always'),
    replicas: fc.nat(3),
  },
  { requiredKeys: ['selector', 'template'] },
);
const { replicas: _, ...withoutReplicas } = { replicas: 0 };
const daemonSetSpec = workloadSpec.map(({ selector, template }) => ({
  ...withoutReplicas,
  selector,
  template,
}));
const jobSpec = fc.record(
  { template: template('Never'), backoffLimit: fc.nat(3) },
  { requiredKeys: ['template'] },
);

const serviceSpec = fc.oneof(
  fc.record(
    {
      selector: labels,
      ports: fc.constantFrom(
        [{ port: 80 }],
        [
          { port: 80, targetPort: 'http', name: 'http' },
          { port: 53, protocol: 'UDP', name: 'dns', targetPort: 5353 },
        ],
      ),
      clusterIP: fc.constant('None'),
      type: fc.constant('ClusterIP'),
    },
    { requiredKeys: ['ports'] },
  ),
  fc.constant({ type: 'ExternalName', externalName: 'example.org' }),
);

function objects(
  apiVersion: string,
  kind: string,
  spec: fc.Arbitrary<unknown> | undefined,
): fc.Arbitrary<Record<string, unknown>> {
  return fc
    .record({
      labels: optional(labels),
      annotations: optional(fc.constant({ 'a.b/c': 'text' })),
      spec: spec ?? fc.constant(undefined),
    })
    .map(({ labels: own, annotations, spec: body }) => ({
      apiVersion,
      kind,
      metadata: { name: 'generated', ...(own && { labels: own }), ...(annotations && { annotations }) },
      ...(body === undefined ? {} : { spec: body }),
    }));
}

function namespaced(
  apiVersion: string,
  kind: string,
  plural: string,
  spec: fc.Arbitrary<unknown>,
): KindUnderTest {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return {
    apiVersion,
    kind,
    isNamespaced: true,
    path: (namespace) => `${root}/namespaces/${namespace}/${plural}`,
    valid: objects(apiVersion, kind, spec),
  };
}

export const KINDS_UNDER_TEST: readonly KindUnderTest[] = [
  namespaced('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies', networkPolicySpec),
  namespaced('v1', 'Pod', 'pods', podSpec('Always')),
  namespaced('v1', 'Service', 'services', serviceSpec),
  namespaced('apps/v1', 'Deployment', 'deployments', workloadSpec),
  namespaced('apps/v1', 'StatefulSet', 'statefulsets', workloadSpec),
  namespaced('apps/v1', 'DaemonSet', 'daemonsets', daemonSetSpec),
  namespaced('apps/v1', 'ReplicaSet', 'replicasets', workloadSpec),
  namespaced('batch/v1', 'Job', 'jobs', jobSpec),
  namespaced(
    'batch/v1',
    'CronJob',
    'cronjobs',
    jobSpec.map((spec) => ({ schedule: '0 * * * *', jobTemplate: { spec } })),
  ),
  namespaced('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices', fc.constant(undefined)),
  {
    apiVersion: 'v1',
    kind: 'Namespace',
    isNamespaced: false,
    path: () => '/api/v1/namespaces',
    valid: objects('v1', 'Namespace', undefined),
  },
].map((each) =>
  each.kind === 'EndpointSlice'
    ? {
        ...each,
        valid: each.valid.map((object) => ({
          ...object,
          addressType: 'IPv4',
          endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
          ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
        })),
      }
    : each,
);

/** An object whose fields stand beside its metadata. */
function flat(
  kind: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly plural: string;
    readonly isNamespaced: boolean;
  },
  fields: fc.Arbitrary<object>,
): KindUnderTest {
  const { apiVersion, plural, isNamespaced } = kind;
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return {
    ...kind,
    path: (namespace) => (isNamespaced ? `${root}/namespaces/${namespace}/${plural}` : `${root}/${plural}`),
    valid: fc
      .tuple(objects(apiVersion, kind.kind, undefined), fields)
      .map(([object, own]) => ({ ...object, ...own })),
  };
}

const RBAC = 'rbac.authorization.k8s.io/v1';
const policyRule = fc.constantFrom(
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
  { apiGroups: ['apps'], resources: ['deployments'], resourceNames: ['web'], verbs: ['*'] },
);
const rules = fc.record({ rules: list(policyRule) });
const subjects = fc.constant([{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }]);
const binding = (roleKind: string) =>
  fc.record({
    subjects,
    roleRef: fc.constant({ apiGroup: 'rbac.authorization.k8s.io', kind: roleKind, name: 'view' }),
  });

/** Kinds that only `audit` reads: nothing that the API server accepts is refused. */
export const AUDIT_KINDS_UNDER_TEST: readonly KindUnderTest[] = [
  flat(
    { apiVersion: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts', isNamespaced: true },
    fc.record({ automountServiceAccountToken: fc.boolean() }, { requiredKeys: [] }),
  ),
  flat(
    { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', isNamespaced: true },
    fc.record({ stringData: fc.constant({ a: 'b' }), type: fc.constant('Opaque') }, { requiredKeys: [] }),
  ),
  flat({ apiVersion: RBAC, kind: 'Role', plural: 'roles', isNamespaced: true }, rules),
  flat({ apiVersion: RBAC, kind: 'ClusterRole', plural: 'clusterroles', isNamespaced: false }, rules),
  flat(
    { apiVersion: RBAC, kind: 'RoleBinding', plural: 'rolebindings', isNamespaced: true },
    binding('ClusterRole'),
  ),
  flat(
    { apiVersion: RBAC, kind: 'ClusterRoleBinding', plural: 'clusterrolebindings', isNamespaced: false },
    binding('ClusterRole'),
  ),
  flat(
    { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', plural: 'ingresses', isNamespaced: true },
    fc.constant({
      spec: {
        ingressClassName: 'a',
        rules: [
          {
            host: 'a.example',
            http: {
              paths: [
                {
                  path: '/',
                  pathType: 'Prefix',
                  backend: { service: { name: 'web', port: { number: 80 } } },
                },
              ],
            },
          },
        ],
      },
    }),
  ),
];

const profilePeer = fc.oneof(
  peer,
  fc.constantFrom<Record<string, unknown>>(
    { namespaces: ['shop', 'web'] },
    { sameNamespaceLabels: ['team'] },
    { service: { namespace: 'shop', name: 'web' } },
    { entity: 'Any' },
    { serviceAccount: { namespace: 'shop', name: 'web' } },
  ),
);
const profileRule = (field: 'from' | 'to', name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      description: fc.constant('because'),
      podSelector: selector,
      [field]: fc.array(profilePeer, { minLength: 1, maxLength: 2 }),
      ports: list(port),
    },
    { requiredKeys: ['name', field] },
  );

export const PROFILE_UNDER_TEST: KindUnderTest = {
  apiVersion: 'segmentation.dev/v1alpha1',
  kind: 'SegmentationProfile',
  isNamespaced: false,
  path: () => '/apis/segmentation.dev/v1alpha1/segmentationprofiles',
  valid: objects(
    'segmentation.dev/v1alpha1',
    'SegmentationProfile',
    fc.record(
      {
        namespaceSelector: selector,
        mode: fc.constantFrom('Enforce', 'Audit'),
        isolation: fc.constantFrom(['Ingress'], ['Ingress', 'Egress']),
        excludeNamespaces: fc.constant(['a']),
        baseline: fc.constantFrom({}, { dns: 'Deny' }, { sameNamespace: 'Allow', kubeAPIServer: 'Allow' }),
        ingress: profileRule('from', 'in').map((rule) => [rule]),
        egress: profileRule('to', 'out').map((rule) => [rule]),
      },
      { requiredKeys: ['namespaceSelector'] },
    ),
  ),
};

/** Values that templates and slips put in place of the right one. */
const HOSTILE: readonly unknown[] = [
  null,
  null,
  null,
  '',
  ' ',
  'x',
  'Web',
  'a b',
  'tcp',
  'TCP',
  '80',
  80,
  0,
  -1,
  1.5,
  65_536,
  2 ** 40,
  1e30,
  true,
  false,
  [],
  [null],
  [''],
  ['x'],
  [0],
  [{}],
  [[]],
  {},
  { a: null },
  { a: '' },
  { a: 1 },
  { app: 'web' },
  'http',
  'a--b',
  '10.0.0.1/8',
  '10.0.0.0/8',
  '010.0.0.0/8',
  '::ffff:10.0.0.0/104',
  'fd00::1/64',
  '10.0.0.0/33',
  '10.0.0.0',
  'In',
  'Exists',
  'Ingress',
  'é',
  '日本',
  '😀',
  'x'.repeat(64),
  `${'x'.repeat(254)}/a`,
  'a.b/c',
  'a/b/c',
  '/a',
  '-a',
  'a-',
  'a_b',
  '1',
  '2026-01-01',
];

/** One change of an object: where, and into what. */
type Mutation =
  | { readonly kind: 'replace'; readonly at: number; readonly value: unknown }
  | { readonly kind: 'remove'; readonly at: number }
  | { readonly kind: 'rename'; readonly at: number; readonly key: string }
  | { readonly kind: 'add'; readonly at: number; readonly key: string; readonly value: unknown };

const hostile = fc.constantFrom(...HOSTILE);
const keyName = fc.constantFrom(
  'x',
  'Spec',
  'podSelectors',
  'port',
  'ports',
  'cidr',
  'except',
  'from',
  'to',
  'matchLabels',
  'matchExpressions',
  'values',
  'podSelector',
  'ipBlock',
  'endPort',
  'name',
  'labels',
  'annotations',
  'generateName',
  'finalizers',
  'ownerReferences',
  'a b',
  'a.b/d',
  '',
  'É',
  '__proto__',
);
export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant('replace' as const), at: fc.nat(), value: hostile }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), at: fc.nat(), key: keyName }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('add' as const), at: fc.nat(), key: keyName, value: hostile }),
    },
  ),
  { minLength: 1, maxLength: 2 },
);

interface Place {
  readonly parent: Record<string, unknown> | unknown[];
  readonly key: string | number;
}

/** Every place of a value but apiVersion and kind, which choose the collection. */
function placesOf(value: unknown, places: Place[] = [], isRoot = true): Place[] {
  if (typeof value !== 'object' || value === null) return places;
  const parent = value as Record<string, unknown>;
  for (const key of Object.keys(parent)) {
    if (isRoot && (key === 'apiVersion' || key === 'kind')) continue;
    const step = Array.isArray(value) ? Number(key) : key;
    places.push({ parent, key: step });
    placesOf(parent[key], places, false);
  }
  return places;
}

/** A changed copy. The name stays a text, as the request's own path depends on it nowhere, but other kinds need it. */
export function mutated(
  object: Record<string, unknown>,
  changes: readonly Mutation[],
): Record<string, unknown> {
  const copy = structuredClone(object);
  for (const change of changes) {
    const places = placesOf(copy);
    const { parent, key } = places[change.at % places.length] ?? { parent: copy, key: 'spec' };
    const holder = parent as Record<string | number, unknown>;
    switch (change.kind) {
      case 'replace':
        holder[key] = structuredClone(change.value);
        break;
      case 'remove':
        if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else delete holder[key];
        break;
      case 'rename':
        if (Array.isArray(parent)) break;
        define(holder, change.key, holder[key]);
        delete holder[key];
        break;
      case 'add': {
        const target = holder[key];
        if (Array.isArray(target)) target.push(structuredClone(change.value));
        else if (typeof target === 'object' && target !== null)
          define(target, change.key, structuredClone(change.value));
      }
    }
  }
  return copy;
}

function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}
