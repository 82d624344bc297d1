/**
 * Measures the evaluator: all pairs of 1,000 pods on 10 ports under 100 policies, single verdicts, and its set-up for
 * the tiny clusters of property tests. Prints one JSON object if it is run directly.
 */
import { compileView } from '../src/analysis/evaluator.ts';
import { podMatrix } from '../src/analysis/pod-matrix.ts';
import type { ClusterView, Endpoint } from '../src/analysis/cluster.ts';
import type { NetworkPolicy } from '../src/api/network-policy.ts';

const NAMESPACES = 20;
const PODS = 1000;
const POLICIES = 100;
const PORTS = [53, 80, 443, 3000, 5432, 6379, 8080, 8443, 9090, 9092].map((port) => ({
  port,
  protocol: 'TCP' as const,
}));

export async function run(): Promise<Record<string, number>> {
  const view = cluster();
  const start = performance.now();
  const reachable = podMatrix(view, { ports: PORTS, family: 4 });
  const built = performance.now();
  const allowed = reachable.count();
  const end = performance.now();
  const pairs = PODS * PODS * PORTS.length;

  const verdicts = 200_000;
  const evaluator = compileView(view);
  const endpoints = view.pods.map((pod): Endpoint => ({ kind: 'pod', pod }));
  const verdictStart = performance.now();
  for (let i = 0; i < verdicts; i++) {
    const from = endpoints[i % PODS];
    const to = endpoints[(i * 7919) % PODS];
    if (from && to) evaluator.verdict({ from, to, port: 8080, protocol: 'TCP', family: 4 });
  }
  const verdictSeconds = (performance.now() - verdictStart) / 1000;

  const builds = 20_000;
  const tiny = { namespaces: view.namespaces.slice(0, 3), policies: view.policies.slice(0, 8) };
  const buildStart = performance.now();
  for (let i = 0; i < builds; i++) {
    const [from, to] = [endpoints[i % 50], view.pods[(i * 7) % 50]];
    if (from && to) compileView(tiny).allows('Ingress', to, from, { port: 8080, protocol: 'TCP', family: 4 });
  }
  const buildSeconds = (performance.now() - buildStart) / 1000;

  return {
    pods: PODS,
    policies: POLICIES,
    pairs,
    allowed,
    matrixSeconds: round((end - start) / 1000),
    matrixBuildSeconds: round((built - start) / 1000),
    pairsPerSecond: Math.round(pairs / ((end - start) / 1000)),
    verdictsPerSecond: Math.round(verdicts / verdictSeconds),
    tinyBuildsPerSecond: Math.round(builds / buildSeconds),
  };
}

/** A cluster of twenty tenants, each with a default-deny of both directions and four allowing policies. */
function cluster(): ClusterView {
  const namespaces = Array.from({ length: NAMESPACES }, (_, i) => ({
    name: `tenant-${i}`,
    labels: { team: `team-${i % 5}`, stage: i % 2 === 0 ? 'prod' : 'dev' },
  }));
  const pods = Array.from({ length: PODS }, (_, i) => ({
    namespace: `tenant-${i % NAMESPACES}`,
    name: `pod-${i}`,
    labels: { app: `app-${i % 13}`, tier: `tier-${i % 3}`, 'pod-template-hash': String(i % 101) },
    ips: [`10.${i % NAMESPACES}.${i >> 8}.${i & 255}`],
    ports: [
      { name: 'http', containerPort: i % 2 === 0 ? 8080 : 3000 },
      { name: 'metrics', containerPort: 9090 },
    ],
    node: `node-${i % 40}`,
    ...(i % 25 === 0 && { hostNetwork: true }),
  }));
  const policies = Array.from({ length: POLICIES }, (_, index) => policyOf(index));
  return { namespaces, pods, policies };
}

/** A default-deny for the first policies, and four kinds of allowing policies for the others. */
function policyOf(i: number): NetworkPolicy {
  const namespace = `tenant-${i % NAMESPACES}`;
  const metadata = { namespace, name: `policy-${i}` };
  const kind = Math.floor(i / NAMESPACES);
  const [podSelector, team] = [{ matchLabels: { app: `app-${i % 13}` } }, `team-${i % 5}`];
  if (kind === 0) return { metadata, spec: { policyTypes: ['Ingress', 'Egress'] } };
  if (kind === 1) return { metadata, spec: { ingress: [{ from: [{ podSelector: {} }] }] } };
  if (kind === 2) {
    return {
      metadata,
      spec: {
        podSelector,
        ingress: [
          {
            from: [{ namespaceSelector: { matchLabels: { team } } }],
            ports: [{ port: 'http' }, { port: 9090, endPort: 9099 }],
          },
        ],
      },
    };
  }
  if (kind === 3) {
    return {
      metadata,
      spec: {
        policyTypes: ['Egress'],
        egress: [
          { ports: [{ port: 53 }, { port: 53, protocol: 'UDP' }] },
          {
            to: [
              {
                namespaceSelector: {},
                podSelector: { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['tier-0'] }] },
              },
            ],
            ports: [{ port: 'http' }],
          },
        ],
      },
    };
  }
  return {
    metadata,
    spec: {
      policyTypes: ['Egress'],
      egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: [`10.${i % NAMESPACES}.0.0/16`] } }] }],
    },
  };
}

function round(seconds: number): number {
  return Math.round(seconds * 10_000) / 10_000;
}

if (import.meta.main) console.log(JSON.stringify(await run()));
