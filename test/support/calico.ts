/** CRDs that stand in for Calico's, for tests: of the fields that the operator writes, and strict in them. */

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly 'x-kubernetes-int-or-string'?: true;
}

const TEXT: Schema = { type: 'string' };
const NUMBER: Schema = { type: 'integer' };
const PORT: Schema = { 'x-kubernetes-int-or-string': true };
const list = (items: Schema): Schema => ({ type: 'array', items });
const fields = (properties: Readonly<Record<string, Schema>>, ...required: readonly string[]): Schema => ({
  type: 'object',
  properties,
  ...(required.length > 0 && { required }),
});

const LABEL_SELECTOR = fields({
  matchLabels: { type: 'object', additionalProperties: TEXT },
  matchExpressions: list(fields({ key: TEXT, operator: TEXT, values: list(TEXT) }, 'key', 'operator')),
});
const END = fields({
  serviceAccounts: fields({ names: list(TEXT), selector: TEXT }),
  namespaceSelector: TEXT,
  selector: TEXT,
  nets: list(TEXT),
  notNets: list(TEXT),
  ports: list(PORT),
});
const RULES = list(
  fields(
    {
      action: { type: 'string', enum: ['Allow', 'Deny', 'Log', 'Pass'] },
      protocol: PORT,
      source: END,
      destination: END,
    },
    'action',
  ),
);
const PEERS = list(
  fields({
    podSelector: LABEL_SELECTOR,
    namespaceSelector: LABEL_SELECTOR,
    ipBlock: fields({ cidr: TEXT, except: list(TEXT) }, 'cidr'),
  }),
);
const STAGED_ACTION: Schema = { type: 'string', enum: ['Set', 'Delete', 'Learn', 'Ignore'] };
const PORTS = list(fields({ protocol: TEXT, port: PORT, endPort: NUMBER }));

/** StagedKubernetesNetworkPolicy. */
export const STAGED_CRD = crd(
  'StagedKubernetesNetworkPolicy',
  'stagedkubernetesnetworkpolicies',
  fields({
    stagedAction: STAGED_ACTION,
    podSelector: LABEL_SELECTOR,
    policyTypes: list(TEXT),
    ingress: list(fields({ from: PEERS, ports: PORTS })),
    egress: list(fields({ to: PEERS, ports: PORTS })),
  }),
);

const POLICY: Readonly<Record<string, Schema>> = {
  tier: TEXT,
  order: { type: 'number' },
  selector: TEXT,
  types: list(TEXT),
  ingress: RULES,
  egress: RULES,
};

/** NetworkPolicy of Calico. */
export const POLICY_CRD = crd('NetworkPolicy', 'networkpolicies', fields(POLICY));

/** StagedNetworkPolicy. */
export const STAGED_POLICY_CRD = crd(
  'StagedNetworkPolicy',
  'stagednetworkpolicies',
  fields({ stagedAction: STAGED_ACTION, ...POLICY }),
);

const GLOBAL: Readonly<Record<string, Schema>> = { namespaceSelector: TEXT, ...POLICY };

/** GlobalNetworkPolicy of Calico. */
export const GLOBAL_CRD = crd('GlobalNetworkPolicy', 'globalnetworkpolicies', fields(GLOBAL), 'Cluster');

/** StagedGlobalNetworkPolicy. */
export const STAGED_GLOBAL_CRD = crd(
  'StagedGlobalNetworkPolicy',
  'stagedglobalnetworkpolicies',
  fields({ stagedAction: STAGED_ACTION, ...GLOBAL }),
  'Cluster',
);

/** Tier of Calico. */
export const TIER_CRD = crd(
  'Tier',
  'tiers',
  fields({ order: { type: 'number' }, defaultAction: { type: 'string', enum: ['Pass', 'Deny'] } }),
  'Cluster',
);

function crd(kind: string, plural: string, spec: Schema, scope: 'Namespaced' | 'Cluster' = 'Namespaced') {
  const schema = {
    openAPIV3Schema: fields({ apiVersion: TEXT, kind: TEXT, metadata: { type: 'object' }, spec }),
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.projectcalico.org` },
    spec: {
      group: 'projectcalico.org',
      scope,
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
      versions: [{ name: 'v3', served: true, storage: true, schema }],
    },
  };
}
