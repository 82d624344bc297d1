/** A small cluster with a pod of every kind, and flows written as `shop/api > shop/web TCP/8080`. */
import assert from 'node:assert/strict';
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
  Protocol,
} from '../../src/api/network-policy.ts';
import type { Endpoint, Flow, Namespace, Pod } from '../../src/analysis/cluster.ts';
import { compileView, type EvaluatorOptions, type Verdict } from '../../src/analysis/evaluator.ts';

const namespaces: Namespace[] = [
  { name: 'shop', labels: { team: 'red' } },
  { name: 'data', labels: { team: 'blue', stage: 'prod' } },
  { name: 'ops', labels: {} },
];

export const pods: Pod[] = [
  {
    namespace: 'shop',
    name: 'web',
    labels: { app: 'web', tier: 'front' },
    ips: ['10.0.0.1', 'fd00::1'],
    ports: [
      { name: 'http', containerPort: 8080 },
      { name: 'dns', containerPort: 53, protocol: 'UDP' },
      { name: 'dns', containerPort: 5353, protocol: 'TCP' },
      { containerPort: 9090 },
    ],
    node: 'node-1',
  },
  {
    namespace: 'shop',
    name: 'api',
    labels: { app: 'api', tier: '' },
    ips: ['10.0.0.2', 'fd00::2'],
    ports: [{ name: 'http', containerPort: 3000 }],
    node: 'node-2',
  },
  { namespace: 'data', name: 'db', labels: { app: 'db' }, ips: ['10.0.1.1', 'fd00:1::1'], node: 'node-1' },
  { namespace: 'data', name: 'bare', labels: {}, ips: ['10.0.1.2', 'fd00:1::2'] },
  { namespace: 'ops', name: 'web', labels: { app: 'web' }, ips: ['10.0.2.1', 'fd00:2::1'] },
  {
    namespace: 'ops',
    name: 'agent',
    labels: { app: 'web' },
    ips: ['192.168.0.1'],
    ports: [{ name: 'http', containerPort: 8080 }],
    hostNetwork: true,
    node: 'node-1',
  },
  { namespace: 'ops', name: 'pending', labels: { app: 'web' }, ips: [] },
];

/** A policy of the namespace; it selects every pod unless `spec` says otherwise. */
export function policy(namespace: string, name: string, spec: NetworkPolicySpec): NetworkPolicy {
  return { metadata: { namespace, name }, spec };
}

/** `FROM > TO PROTOCOL/PORT`; an end is `namespace/pod`, an address, or `address@node`. */
export function parseFlow(text: string): Flow {
  const [, from, to, protocol, port] = /^(\S+) > (\S+) (\w+)\/(\d+)$/.exec(text) ?? [];
  assert.ok(from && to && protocol && port, `not a flow: ${text}`);
  return { from: endpoint(from), to: endpoint(to), protocol: protocol as Protocol, port: Number(port) };
}

export function endpoint(text: string): Endpoint {
  const pod = pods.find(({ namespace, name }) => `${namespace}/${name}` === text);
  if (pod) return { kind: 'pod', pod };
  const [ip = '', node] = text.split('@');
  assert.match(ip, /^[\d.]+$|:/, `no such pod: ${text}`);
  return { kind: 'external', ip, ...(node !== undefined && { node }) };
}

export function verdictOf(
  policies: readonly NetworkPolicy[],
  flow: string | Flow,
  options?: EvaluatorOptions,
): Verdict {
  const evaluator = compileView({ namespaces, policies }, options);
  return evaluator.verdict(typeof flow === 'string' ? parseFlow(flow) : flow);
}

export const web = { matchLabels: { app: 'web' } };
export const shop = (spec: NetworkPolicySpec): NetworkPolicy[] => [policy('shop', 'policy', spec)];

/** Policies of `shop` that let its web pod be reached, or reach, as stated and no further. */
export const from = (...peers: NetworkPolicyPeer[]) => shop({ podSelector: web, ingress: [{ from: peers }] });
export const to = (...peers: NetworkPolicyPeer[]) =>
  shop({ podSelector: web, policyTypes: ['Egress'], egress: [{ to: peers }] });
export const onPorts = (...ports: NetworkPolicyPort[]) => shop({ podSelector: web, ingress: [{ ports }] });
export const toPorts = (...ports: NetworkPolicyPort[]) =>
  shop({ podSelector: web, policyTypes: ['Egress'], egress: [{ ports }] });

type Case = [name: string, policies: NetworkPolicy[], flow: string, allowed: boolean];

/** One test for each case. */
export function table(title: string, cases: readonly Case[]): void {
  describe(`the evaluator on ${title}`, () => {
    for (const [name, policies, flow, allowed] of cases) {
      it(`${name} (${flow}: ${allowed ? 'allowed' : 'denied'})`, () => {
        assert.equal(verdictOf(policies, flow).allowed, allowed);
      });
    }
  });
}
