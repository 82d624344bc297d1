/**
 * Measures compiling: one profile of twenty rules with all kinds of peers, for 10,000 namespaces, and the fingerprints
 * that show whether a namespace is converged. Prints one JSON object if it is run directly.
 */
import type { EgressRule, IngressRule, Peer, SegmentationProfile } from '../src/api/profile.ts';
import { compile } from '../src/policy/compile.ts';
import { NO_ENGINE } from '../src/policy/extensions.ts';
import { NO_MESH } from '../src/policy/mesh.ts';
import type { ClusterFacts, EndpointFacts, NamespaceFacts, ServiceFacts } from '../src/policy/facts.ts';
import { fingerprint } from '../src/policy/semantics/normalize.ts';

const NAMESPACES = 10_000;
const RULES = 20;
const NODES = 100;

/** Peers of every kind, in the proportions of a busy profile. */
const PEERS: readonly Peer[] = [
  { namespaces: ['storefront'] },
  { podSelector: { matchLabels: { app: 'web' } } },
  { service: { namespace: 'payments', name: 'api' } },
  { namespaceSelector: { matchLabels: { stage: 'prod' } }, podSelector: { matchLabels: { app: 'gateway' } } },
  { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } },
  { sameNamespaceLabels: ['team'] },
  { entity: 'KubeAPIServer' },
  { ipBlock: { cidr: '2001:db8::/32' } },
  { entity: 'World' },
  { service: { namespace: 'legacy', name: 'database' } },
  { entity: 'Monitoring' },
  { entity: 'Nodes' },
];

export async function run(): Promise<Record<string, number>> {
  // A clone shares no part, as a parsed profile.
  const made = structuredClone(profile());
  const facts = cluster();
  const namespaces = Array.from(
    { length: NAMESPACES },
    (_, i): NamespaceFacts => ({
      name: `tenant-${i}`,
      labels: { team: `team-${i % 300}`, 'kubernetes.io/metadata.name': `tenant-${i}` },
    }),
  );
  for (const namespace of namespaces.slice(0, 200))
    compile(made, namespace, facts).policies.forEach(fingerprint);

  let policies = 0;
  const start = performance.now();
  for (const namespace of namespaces) policies += compile(made, namespace, facts).policies.length;
  const compiled = performance.now();
  const distinct = new Set<string>();
  for (const namespace of namespaces) {
    for (const policy of compile(made, namespace, facts).policies) distinct.add(fingerprint(policy));
  }
  const fingerprinted = performance.now();
  return {
    namespaces: NAMESPACES,
    rules: RULES,
    policies,
    distinctPolicies: distinct.size,
    compileSeconds: round((compiled - start) / 1000),
    compileAndFingerprintSeconds: round((fingerprinted - compiled) / 1000),
  };
}

/** Half of the rules are for each direction; every fourth has a podSelector, and so a policy of its own. */
function profile(): SegmentationProfile {
  const rule = (i: number) => ({
    name: `rule-${i}`,
    description: `What team ${i} asked for`,
    ...(i % 4 === 0 && { podSelector: { matchLabels: { app: `app-${i}` } } }),
    ...(i % 3 === 0 && { ports: [{ protocol: 'TCP' as const, port: 8000 + i }] }),
  });
  const peers = (i: number) => [0, 5].flatMap((offset) => PEERS[(i + offset) % PEERS.length] ?? []);
  const half = RULES / 2;
  return {
    metadata: { name: 'bench', uid: 'b0a8a1c2-0000-4000-8000-000000000000', generation: 1 },
    spec: {
      mode: 'Enforce',
      namespaceSelector: {},
      isolation: ['Ingress', 'Egress'],
      deletionPolicy: 'Delete',
      baseline: {
        dns: 'Allow',
        admissionWebhooks: 'Allow',
        sameNamespace: 'Allow',
        kubeAPIServer: 'Allow',
        ingressControllers: 'Allow',
        monitoring: 'Allow',
        mesh: 'Deny',
      },
      ingress: Array.from({ length: half }, (_, i): IngressRule => ({ ...rule(i), from: peers(i) })),
      egress: Array.from(
        { length: half },
        (_, i): EgressRule => ({ ...rule(i + half), to: peers(i + half) }),
      ),
    },
  };
}

const SERVICES = new Map<string, ServiceFacts>([
  [
    'default/kubernetes',
    { type: 'ClusterIP', ports: [{ port: 443, targetPort: 6443 }], clusterIPs: ['10.96.0.1'] },
  ],
  [
    'kube-system/kube-dns',
    {
      type: 'ClusterIP',
      selector: { 'k8s-app': 'kube-dns' },
      ports: [{ protocol: 'UDP' as const, port: 53 }, { port: 53 }],
      clusterIPs: ['10.96.0.10'],
    },
  ],
  [
    'payments/api',
    {
      type: 'ClusterIP',
      selector: { app: 'api' },
      ports: [{ port: 443, targetPort: 'https' }],
      clusterIPs: [],
    },
  ],
  ['legacy/database', { type: 'ClusterIP', ports: [{ port: 5432 }], clusterIPs: [] }],
]);
const ENDPOINTS = new Map<string, readonly EndpointFacts[]>([
  [
    'default/kubernetes',
    [{ addresses: ['192.168.255.1', '192.168.255.2', '192.168.255.3'], ports: [{ port: 6443 }] }],
  ],
  ['legacy/database', [{ addresses: ['198.51.100.10', '198.51.100.11'], ports: [{ port: 5432 }] }]],
]);

export const CONFIGURATION: ClusterFacts['configuration'] = {
  clusterDNS: {
    namespace: 'kube-system',
    service: 'kube-dns',
    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    nodeLocalAddresses: ['169.254.20.10'],
  },
  ingressControllers: [
    { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' } } },
  ],
  engineIngress: false,
  monitoring: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
  nodeCIDRs: [],
  podCIDRs: [],
  webhookSourceCIDRs: [],
  maxNodeAddresses: 1000,
};

/** A dual-stack cluster of a hundred nodes. */
function cluster(): ClusterFacts {
  const nodes = Array.from({ length: NODES }, (_, i) => ({
    addresses: [`192.168.${i}.10`, `fd01::${(i + 1).toString(16)}`],
    podCIDRs: [`10.0.${i}.0/24`, `fd00:0:0:${i.toString(16)}::/64`],
  }));
  return {
    configuration: CONFIGURATION,
    isKnown: () => true,
    service: (namespace, name) => SERVICES.get(`${namespace}/${name}`),
    labelledDNS: () => undefined,
    endpoints: (namespace, service) => ENDPOINTS.get(`${namespace}/${service}`) ?? [],
    // A new list for each call, as from a store.
    nodes: () => [...nodes],
    serviceCIDRs: () => ['10.96.0.0/16', 'fd02::/112'],
    webhookServices: () => [],
    serviceAccount: () => undefined,
    engine: () => NO_ENGINE,
    mesh: () => NO_MESH,
  };
}

export function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

if (import.meta.main) console.log(JSON.stringify(await run()));
