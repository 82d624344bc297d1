/**
 * Measures compiling connections: a profile of 60 connections for 10,000 namespaces, most of which have no end of any.
 * Prints one JSON object if it is run directly.
 */
import type { Connection, Peer, SegmentationProfile } from '../src/api/profile.ts';
import { compile } from '../src/policy/compile.ts';
import { NO_ENGINE } from '../src/policy/extensions.ts';
import { NO_MESH } from '../src/policy/mesh.ts';
import type { ClusterFacts, NamespaceFacts } from '../src/policy/facts.ts';
import { CONFIGURATION, round } from './compile.ts';

const NAMESPACES = 10_000;
const CONNECTIONS = 60;

export async function run(): Promise<Record<string, number>> {
  // A clone shares no part, as a parsed profile.
  const made = structuredClone(profile());
  const namespaces = Array.from(
    { length: NAMESPACES },
    (_, i): NamespaceFacts => ({
      name: `tenant-${i}`,
      labels: { team: `team-${i % 300}`, 'kubernetes.io/metadata.name': `tenant-${i}` },
    }),
  );
  for (const namespace of namespaces.slice(0, 200)) compile(made, namespace, FACTS);
  let policies = 0;
  let connected = 0;
  const start = performance.now();
  const startCpu = process.cpuUsage();
  for (const namespace of namespaces) {
    const compiled = compile(made, namespace, FACTS);
    policies += compiled.policies.length;
    if (compiled.connections.length > 0) connected += 1;
  }
  return {
    namespaces: NAMESPACES,
    connections: CONNECTIONS,
    policies,
    namespacesWithAnEnd: connected,
    compileSeconds: round((performance.now() - start) / 1000),
    compileCpuSeconds: round(process.cpuUsage(startCpu).user / 1_000_000),
  };
}

const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } });

/** Ends by name, by Service, by label and by address, in the proportions of a busy profile. */
function endsOf(i: number): Pick<Connection, 'from' | 'to'> {
  const from: Peer[] = [{ namespaces: [`tenant-${i * 100}`], ...app(`client-${i}`) }];
  switch (i % 4) {
    case 0:
      return { from, to: [{ service: { namespace: `tenant-${i * 100 + 1}`, name: 'api' } }] };
    case 1:
      return { from, to: [{ namespaceSelector: { matchLabels: { team: `team-${i}` } }, ...app('server') }] };
    case 2:
      return { from, to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] };
    default:
      return { from, to: [{ namespaces: [`tenant-${i * 100 + 2}`], ...app('server') }] };
  }
}

function profile(): SegmentationProfile {
  return {
    metadata: { name: 'bench', uid: 'b0a8a1c2-0000-4000-8000-000000000000', generation: 1 },
    spec: {
      mode: 'Enforce',
      namespaceSelector: {},
      isolation: ['Ingress', 'Egress'],
      deletionPolicy: 'Delete',
      baseline: {
        dns: 'Allow',
        admissionWebhooks: 'Deny',
        sameNamespace: 'Allow',
        kubeAPIServer: 'Deny',
        ingressControllers: 'Deny',
        monitoring: 'Deny',
        mesh: 'Deny',
      },
      connections: Array.from({ length: CONNECTIONS }, (_, i) => ({
        name: `connection-${i}`,
        description: `What team ${i} asked for`,
        ...endsOf(i),
        ...(i % 3 === 0 && { ports: [{ protocol: 'TCP' as const, port: 8000 + i }] }),
      })),
    },
  };
}

const FACTS: ClusterFacts = {
  configuration: CONFIGURATION,
  isKnown: () => true,
  service: (namespace) => ({
    type: 'ClusterIP',
    selector: { app: namespace === 'kube-system' ? 'kube-dns' : 'api' },
    ports: [{ port: 443, targetPort: 'https' }],
    clusterIPs: [],
  }),
  endpoints: () => [],
  labelledDNS: () => undefined,
  nodes: () => [],
  serviceCIDRs: () => [],
  webhookServices: () => [],
  serviceAccount: () => undefined,
  engine: () => NO_ENGINE,
  mesh: () => NO_MESH,
};

if (import.meta.main) console.log(JSON.stringify(await run()));
