/**
 * Measures the time that the policies of config/admission, config/service-accounts and config/workloads add to a request, on a
 * real API server: ratios of the medians of single requests, alternating with and without the policy. `noise` is the ratio
 * without a bound policy.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SegmentationProfile } from '../src/api/profile.ts';
import { gateOf } from '../src/policy/admission/gate.ts';
import { protectionOf, tenantLimitOf } from '../src/policy/admission/protect.ts';
import type { KubeObject } from '../src/api/meta.ts';
import { workloadBindings } from '../src/policy/workloads/groups.ts';
import { guardBinding, labelBinding } from '../src/policy/admission/accounts.ts';
import { type ControlPlane, startControlPlane } from '../test/env/index.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 400);
const MANY = 10;
const root = join(import.meta.dirname, '..');
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
const MUTATING_BINDINGS = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings';
const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
let count = 0;

/** Returns ratios, and the median of a Pod's creation without any policy, milliseconds. */
export async function run(): Promise<Record<string, number>> {
  const plane = await startControlPlane();
  try {
    return await measure(plane);
  } finally {
    await plane.stop();
  }
}

async function measure(plane: ControlPlane): Promise<Record<string, number>> {
  const { admin } = plane;
  await install(plane);
  const pods = (container: object = {}) =>
    compare((namespace) => admin.send('POST', `/api/v1/namespaces/${namespace}/pods`, pod(container)));
  const policies = () =>
    compare((namespace) => admin.send('POST', policyPath(namespace), policy(`p-${++count}`, {})));

  await pods(); // warm
  const noise = await pods();
  const accounts = await measureAccounts(plane, pods);
  const workloads = await measureWorkloads(plane, pods);
  const profiles = await Promise.all(
    Array.from({ length: MANY }, async (_, index) => {
      const profile = await createProfile(plane, `p${index}`);
      for (const namespace of ['with', 'without'])
        await admin.send('POST', policyPath(namespace), deny(profile.metadata.name));
      return profile;
    }),
  );
  const [first, ...others] = profiles;
  if (first === undefined) throw new Error('no profile');
  const gates = (some: readonly SegmentationProfile[]) =>
    bind(
      plane,
      some.flatMap((each) => {
        const gate = gateOf(each, [], [], undefined);
        return gate.kind === 'bound' ? [gate.binding] : [];
      }),
    );
  await gates([first]);
  const one = await pods();
  await gates(others);
  const many = await pods();
  const plain = await policies();
  await bind(plane, [tenantLimitOf(first, [])]);
  const limited = await policies();
  const change = (name: (namespace: string) => string) =>
    compare((namespace) =>
      admin.send('PATCH', `${policyPath(namespace)}/${name(namespace)}`, {
        metadata: { annotations: { count: `${++count}` } },
      }),
    );
  await admin.send('POST', policyPath('without'), policy('theirs', {}));
  await bind(plane, [protectionOf(first)]);
  const changed = await change((namespace) => (namespace === 'with' ? 'p0.default-deny' : 'theirs'));
  return {
    'Pod creation, median ms': noise.without,
    'noise: Pod creation': noise.ratio,
    ...accounts,
    ...workloads,
    'Pod creation, gate of 1 profile': one.ratio,
    [`Pod creation, gates of ${MANY} profiles`]: many.ratio,
    'noise: NetworkPolicy creation': plain.ratio,
    'NetworkPolicy creation, tenantPolicies': limited.ratio,
    'NetworkPolicy change, protect (Warn)': changed.ratio,
  };
}

/** Installs the CRD and the policies, and creates the namespaces with and without them. */
async function install(plane: ControlPlane): Promise<void> {
  await plane.kubectlRun(['apply', '--server-side', '-k', join(root, 'config/crd')]);
  await plane.kubectlRun(['apply', '-f', join(root, 'config/manager/namespace.yaml')]);
  await plane.kubectlRun(['apply', '-k', join(root, 'config/admission')]);
  while (!(await isServed(plane, PROFILES))) await sleep(50);
  for (const [name, labels] of [
    ['without', {}],
    ['with', { bench: 'yes' }],
  ] as const) {
    await plane.admin.send('POST', '/api/v1/namespaces', { metadata: { name, labels } });
  }
  await sleep(1000); // until the namespaces have their default ServiceAccounts
}

/**
 * Measures the label and the guard of peers by ServiceAccount, for a Pod's creation and for a kubelet's status of it.
 */
async function measureAccounts(
  plane: ControlPlane,
  pods: () => Promise<{ ratio: number }>,
): Promise<Record<string, number>> {
  const { admin } = plane;
  for (const namespace of ['with', 'without'])
    await admin.send('POST', `/api/v1/namespaces/${namespace}/pods`, {
      ...pod(),
      metadata: { name: 'status' },
    });
  const status = () =>
    compare((namespace) =>
      admin.send('PATCH', `/api/v1/namespaces/${namespace}/pods/status/status`, {
        status: { message: `${++count}` },
      }),
    );
  const noise = await status();
  await plane.kubectlRun(['apply', '-k', join(root, 'config/service-accounts')]);
  const [label, guard] = [labelBinding(['with']), guardBinding(['with'])];
  await admin.send('POST', MUTATING_BINDINGS, label);
  await bind(plane, [guard]);
  const created = await pods();
  const written = await status();
  await admin.send('DELETE', `${MUTATING_BINDINGS}/${label.metadata.name}`);
  await admin.send('DELETE', `${BINDINGS}/${guard.metadata.name}`);
  await bind(plane, []);
  return {
    'Pod creation, labelled and guarded': created.ratio,
    'noise: status of a Pod': noise.ratio,
    'status of a Pod, guarded': written.ratio,
  };
}

/** Limits that the measured Pod keeps, by group. */
const LIMITS = {
  images: { registries: ['docker.io', 'registry.example.com'], tags: { deny: ['next'] } },
  resources: { maxLimits: { memory: '1Gi' } },
  serviceAccounts: { allowed: ['default'], automountToken: 'IfUsed' },
  exposure: { hostPort: 'Deny', nodePort: 'Deny' },
  privileged: { hostNetwork: 'Deny', hostPID: 'Deny', privileged: 'Deny', capabilities: { allowed: [] } },
};

/** Measures each group of spec.workloads alone, and all of them together, for a Pod's creation. */
async function measureWorkloads(
  plane: ControlPlane,
  pods: (more: object) => Promise<{ ratio: number }>,
): Promise<Record<string, number>> {
  await plane.kubectlRun(['apply', '-k', join(root, 'config/workloads')]);
  const kept = { resources: { limits: { memory: '1Gi' } } };
  const measured: Record<string, number> = {};
  const groups = [
    ...Object.entries(LIMITS).map(([name, limits]) => [name, { [name]: limits }]),
    ['all', LIMITS],
  ];
  for (const [name, workloads] of groups as [string, object][]) {
    const profile = await createProfile(plane, `w-${name.toLowerCase()}`, { workloads });
    const bindings = workloadBindings(profile, []);
    await bind(plane, bindings);
    const which = name === 'all' ? 'all groups of workloads' : `workloads.${name}`;
    measured[`Pod creation, ${which}`] = (await pods(kept)).ratio;
    for (const { metadata } of bindings) await plane.admin.send('DELETE', `${BINDINGS}/${metadata.name}`);
    await plane.admin.send('DELETE', `${PROFILES}/${profile.metadata.name}`);
  }
  await bind(plane, []);
  return measured;
}

/** Sends the request to both namespaces in turns, ROUNDS times. */
async function compare(
  request: (namespace: string) => Promise<unknown>,
): Promise<{ without: number; ratio: number }> {
  const times: Record<'with' | 'without', number[]> = { with: [], without: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const order = round % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const);
    for (const namespace of order) {
      const started = performance.now();
      await request(namespace);
      times[namespace].push(performance.now() - started);
    }
  }
  const median = (all: number[]) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN;
  const without = median(times.without);
  return { without, ratio: median(times.with) / without };
}

async function isServed(plane: ControlPlane, path: string): Promise<boolean> {
  return plane.admin.send('GET', path).then(
    () => true,
    () => false,
  );
}

async function createProfile(
  plane: ControlPlane,
  name: string,
  more: object = {},
): Promise<SegmentationProfile> {
  return (await plane.admin.send('POST', PROFILES, {
    apiVersion: 'segmentation.dev/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { name },
    spec: {
      namespaceSelector: { matchLabels: { bench: 'yes' } },
      admission: {
        gate: 'Enforce',
        protect: 'Warn',
        tenantPolicies: 'WithinNamespace',
        tenantPoliciesAction: 'Warn',
      },
      ...more,
    },
  })) as SegmentationProfile;
}

/** Creates bindings, and waits for longer than the API server needs to take them up. */
async function bind(plane: ControlPlane, bindings: readonly KubeObject[]): Promise<void> {
  for (const binding of bindings) await plane.admin.send('POST', BINDINGS, binding);
  await sleep(2500);
}

const policyPath = (namespace: string) =>
  `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;

function pod(container: object = {}) {
  const spec = {
    containers: [{ name: 'main', image: 'main', ...container }],
    automountServiceAccountToken: true,
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: `pod-${++count}` }, spec };
}

function policy(name: string, labels: object) {
  const spec = {
    podSelector: {},
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ podSelector: {} }, { namespaceSelector: { matchLabels: { a: 'b' } } }] }],
  };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, labels }, spec };
}

function deny(profile: string) {
  const { apiVersion, kind, metadata } = policy(`${profile}.default-deny`, {
    'app.kubernetes.io/managed-by': 'segmentation-operator',
    'segmentation.dev/profile': profile,
    'segmentation.dev/role': 'default-deny',
  });
  return { apiVersion, kind, metadata, spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] } };
}
