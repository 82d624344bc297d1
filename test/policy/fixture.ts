/** Profiles and clusters, written down by what matters to a test. */
import type { KubeObject } from '../../src/api/meta.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../src/api/names.ts';
import type { NetworkPolicy, NetworkPolicyPort, PolicyType } from '../../src/api/network-policy.ts';
import type { Baseline, Peer, ProfileSpec, SegmentationProfile } from '../../src/api/profile.ts';
import { compile, type UnresolvedPeer } from '../../src/policy/compile.ts';
import { type EngineFacts, NO_ENGINE } from '../../src/policy/extensions.ts';
import { type MeshFacts, NO_MESH } from '../../src/policy/mesh.ts';
import {
  type ClusterConfiguration,
  type ClusterFacts,
  encodePeerSource,
  type EndpointFacts,
  type NamespaceFacts,
  type NodeFacts,
  type ServiceAccountFacts,
  type ServiceFacts,
  type ServiceName,
  type WebhookService,
} from '../../src/policy/facts.ts';
import { type DirectionRule, rulesOf } from '../../src/policy/semantics/normalize.ts';

/** The number of runs of a property; PROPERTY_RUNS=20 makes it twenty times as many, and `npm run test:unit` an eighth. */
export const runs = (usual: number) => Math.ceil(usual * Number(process.env.PROPERTY_RUNS ?? 1));

export const NOTHING_ALLOWED: Baseline = {
  dns: 'Deny',
  admissionWebhooks: 'Deny',
  sameNamespace: 'Deny',
  kubeAPIServer: 'Deny',
  ingressControllers: 'Deny',
  monitoring: 'Deny',
  mesh: 'Deny',
};

/** The profile that owns an object by its labels alone; undefined for an object without them. */
export function ownerByLabels({ metadata: { labels = {} } }: KubeObject): string | undefined {
  return labels[LABEL_MANAGED_BY] === MANAGER ? (labels[LABEL_PROFILE] ?? 'segmented') : undefined;
}

type ProfileInput = Partial<Omit<ProfileSpec, 'baseline'>> & { baseline?: Partial<Baseline> };

/** The profile `segmented`, with an empty baseline unless `spec` says otherwise. */
export function profile({ baseline, ...spec }: ProfileInput = {}): SegmentationProfile {
  return {
    metadata: { name: 'segmented', uid: 'uid-1', generation: 3 },
    spec: {
      mode: 'Enforce',
      namespaceSelector: {},
      isolation: ['Ingress', 'Egress'],
      deletionPolicy: 'Delete',
      ...spec,
      baseline: { ...NOTHING_ALLOWED, ...baseline },
    },
  };
}

export const CONFIGURATION: ClusterConfiguration = {
  clusterDNS: {
    namespace: 'kube-system',
    service: 'kube-dns',
    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    nodeLocalAddresses: [],
  },
  ingressControllers: [],
  engineIngress: false,
  monitoring: [],
  nodeCIDRs: [],
  podCIDRs: [],
  webhookSourceCIDRs: [],
  maxNodeAddresses: 10,
};

export interface FactsInput {
  /** By namespace/name. */
  services?: Readonly<Record<string, Partial<ServiceFacts>>>;
  endpoints?: Readonly<Record<string, readonly EndpointFacts[]>>;
  nodes?: readonly Partial<NodeFacts>[];
  serviceCIDRs?: readonly string[];
  webhooks?: readonly WebhookService[];
  /** By namespace/name; one that is not listed is well. */
  accounts?: Readonly<Record<string, Partial<ServiceAccountFacts>>>;
  configuration?: Partial<ClusterConfiguration>;
  labelledDNS?: ServiceName;
  engine?: EngineFacts;
  mesh?: MeshFacts;
  /** Sources that can't be read, as `encodePeerSource` names them. */
  unknown?: readonly string[];
}

export function facts(input: FactsInput = {}): ClusterFacts {
  const { services = {}, endpoints = {}, nodes = [], serviceCIDRs = [], webhooks = [], unknown = [] } = input;
  const complete = Object.fromEntries(
    Object.entries(services).map(([key, service]) => [
      key,
      { type: 'ClusterIP', ports: [], clusterIPs: [], ...service },
    ]),
  );
  return {
    configuration: { ...CONFIGURATION, ...input.configuration },
    isKnown: (source) => !unknown.includes(encodePeerSource(source)),
    service: (namespace, name) => complete[`${namespace}/${name}`],
    labelledDNS: () => input.labelledDNS,
    endpoints: (namespace, service) => endpoints[`${namespace}/${service}`] ?? [],
    nodes: () => nodes.map((node) => ({ addresses: [], podCIDRs: [], ...node })),
    serviceCIDRs: () => serviceCIDRs,
    webhookServices: (namespace) => webhooks.filter((each) => each.namespace === namespace),
    serviceAccount: (namespace, name) => ({
      unlabelled: 0,
      mislabelled: 0,
      ...input.accounts?.[`${namespace}/${name}`],
    }),
    engine: () => (unknown.includes('engine') ? undefined : (input.engine ?? NO_ENGINE)),
    mesh: () => (unknown.includes('mesh') ? undefined : (input.mesh ?? NO_MESH)),
  };
}

export const SHOP: NamespaceFacts = {
  name: 'shop',
  labels: { 'kubernetes.io/metadata.name': 'shop', team: 'red', stage: 'prod' },
};

/** The rule with these peers as the general object of its direction has it, and its unresolved peers. */
export function compileRule(
  direction: PolicyType,
  peers: Peer[],
  input: FactsInput = {},
  ports?: NetworkPolicyPort[],
): { rules: DirectionRule[]; unresolved: readonly UnresolvedPeer[] } {
  const rule = { name: 'rule', ...(ports && { ports: ports as { protocol: 'TCP' }[] }) };
  const made = profile(
    direction === 'Ingress' ? { ingress: [{ ...rule, from: peers }] } : { egress: [{ ...rule, to: peers }] },
  );
  const { policies, unresolved } = compile(made, SHOP, facts(input));
  const object = policies.find(({ metadata }) => metadata.name === `segmented.${direction.toLowerCase()}`);
  return { rules: object ? rulesOf(object.spec, direction) : [], unresolved };
}

export function named(policies: readonly NetworkPolicy[], name: string): NetworkPolicy | undefined {
  return policies.find(({ metadata }) => metadata.name === name);
}
