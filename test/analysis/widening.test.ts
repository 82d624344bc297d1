/** The flows that single policies open, compared with the evaluator's verdicts with and without the judged policies. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NetworkPolicy, NetworkPolicySpec, PolicyType, Protocol } from '../../src/api/network-policy.ts';
import type { ClusterView, Endpoint, Pod } from '../../src/analysis/cluster.ts';
import { compileView } from '../../src/analysis/evaluator.ts';
import { formatPorts, type PortRange } from '../../src/analysis/model/ports.ts';
import { type Widening, widenings } from '../../src/analysis/widening.ts';
import type { IPFamily } from '../../src/policy/semantics/cidr.ts';
import { namespaces, pods, policies } from './arbitrary.ts';
import { endpoint, policy } from './fixture.ts';
import { runs } from '../policy/fixture.ts';

const PORTS = [53, 80, 85, 8080, 9999];
const PROTOCOLS: Protocol[] = ['TCP', 'UDP', 'SCTP'];

/** An address of each part into which the generator's blocks and their exceptions divide each family. */
const ADDRESSES: readonly [string, IPFamily][] = [
  ...['198.18.0.1', '10.200.0.1', '10.0.3.1', '10.0.2.2', '10.0.1.1', '10.0.0.0', '10.0.0.1', '10.0.0.2']
    .concat('10.0.0.3', '198.51.100.1', '198.51.100.7', '198.51.100.200')
    .map((ip): [string, IPFamily] => [ip, 4]),
  ...['2606:4700::1', '2001:db8::1', '2001:db8::7', 'fd00::1', 'fd00::2', 'fd00::8']
    .concat('fd00:0:0:1::1', 'fd00:0:1::1')
    .map((ip): [string, IPFamily] => [ip, 6]),
];

const groupOf = ({ namespace, name }: Pod) => ({ namespace, kind: 'Pod', name });

const includes = (ports: readonly PortRange[], port: number, protocol: Protocol) =>
  ports.some((range) => range.protocol === protocol && range.from <= port && port <= range.to);

const familiesOf = ({ ips }: Pod): IPFamily[] => ips.map((ip) => (ip.includes(':') ? 6 : 4));

/** The families in which two pods can talk; those of a pending pod are not known yet. */
function commonFamilies(from: Pod, to: Pod): IPFamily[] {
  const [a, b] = [familiesOf(from), familiesOf(to)];
  if (a.length === 0 || b.length === 0) return a.length + b.length === 0 ? [4] : [...a, ...b];
  return a.filter((family) => b.includes(family));
}

/** True if any judged policy opens the flow: other policies deny it, and all policies together allow it. */
function opensBetween(view: ClusterView, judged: ReadonlySet<NetworkPolicy>) {
  const without = { ...view, policies: view.policies.filter((each) => !judged.has(each)) };
  const [before, after] = [compileView(without), compileView(view)];
  return (from: Pod, to: Pod, port: number, protocol: Protocol) =>
    commonFamilies(from, to).some((family) => {
      const [source, destination]: Endpoint[] = [from, to].map((pod) => ({ kind: 'pod', pod }));
      if (source === undefined || destination === undefined) return false;
      const flow = { from: source, to: destination, port, protocol, family };
      return !before.verdict(flow).allowed && after.verdict(flow).allowed;
    });
}

function flowsOf(found: readonly Widening[], from: Pod, to: Pod): PortRange[] {
  return found
    .flatMap(({ flows }) => flows)
    .filter((flow) => flow.from.name === from.name && flow.to.name === to.name)
    .flatMap(({ ports }) => ports);
}

describe('widenings', () => {
  it('finds, for every pair of pods and every port, the flows that only the judged policies allow', () => {
    fc.assert(
      fc.property(namespaces, pods, policies(4), policies(4), (namespaces, generated, base, others) => {
        // Without nodes, as a pod's own node always reaches it and widenings leave that out.
        const all = generated.map(({ node: _node, ...pod }): Pod => pod);
        const view = { namespaces, pods: all, policies: [...base, ...others] };
        const judged = new Set(others);
        const found = widenings(view, { judged, groupOf });
        const opens = opensBetween(view, judged);
        for (const from of all) {
          for (const to of all) {
            if (from === to) continue;
            const ports = flowsOf(found, from, to);
            for (const port of PORTS) {
              for (const protocol of PROTOCOLS) {
                assert.equal(
                  includes(ports, port, protocol),
                  opens(from, to, port, protocol),
                  `${from.name} > ${to.name} ${protocol} ${port}`,
                );
              }
            }
          }
        }
      }),
      { numRuns: runs(300) },
    );
  });

  it('finds, for every pod and every port, the flows with addresses that only the judged policies allow', () => {
    fc.assert(
      fc.property(namespaces, pods, policies(4), policies(4), (namespaces, all, base, others) => {
        const view = { namespaces, pods: all, policies: [...base, ...others] };
        const found = widenings(view, { judged: new Set(others), groupOf });
        const [before, after] = [compileView({ namespaces, policies: base }), compileView(view)];
        for (const pod of all) {
          for (const direction of ['Ingress', 'Egress'] as PolicyType[]) {
            const flows = found
              .flatMap((each) => each.flows)
              .filter(({ from, to }) => {
                const [own, other] = direction === 'Ingress' ? [to, from] : [from, to];
                return own.name === pod.name && other.kind === 'Addresses';
              });
            for (const port of PORTS) {
              const isOpened: boolean = ADDRESSES.some(([ip, family]) => {
                const address: Endpoint = { kind: 'external', ip };
                const on = { port, protocol: 'TCP', family } as const;
                const isReachable = pod.ips.length === 0 || familiesOf(pod).includes(family);
                return (
                  isReachable &&
                  !before.allows(direction, pod, address, on) &&
                  after.allows(direction, pod, address, on)
                );
              });
              const named = flows.filter(({ ports }) => includes(ports, port, 'TCP'));
              const isAny = named.some(({ from, to }) => [from.name, to.name].includes('any address'));
              // A block such as 0.0.0.0/0 opens the flow as well, and is named as it is written.
              assert.ok(named.length > 0 || !isOpened, `opened: ${direction} ${pod.name} ${port}`);
              assert.ok(isOpened || !isAny, `not opened: ${direction} ${pod.name} ${port}`);
            }
          }
        }
      }),
      { numRuns: runs(300) },
    );
  });

  const named = (text: string) => (endpoint(text) as { readonly pod: Pod }).pod;
  const [web, api, db] = [named('shop/web'), named('shop/api'), named('data/db')];
  const both: NetworkPolicySpec['policyTypes'] = ['Ingress', 'Egress'];
  const textsOf = (widening: Widening) =>
    widening.flows.map(({ from, to, ports }) => `${from.name} > ${to.name} ${formatPorts(ports)}`);

  it('blames only the policy whose rule allows what the others deny', () => {
    const deny = policy('shop', 'deny', { policyTypes: both });
    const [allow, harmless] = [
      policy('shop', 'allow', {
        podSelector: { matchLabels: web.labels },
        ingress: [{ ports: [{ port: 80 }] }],
      }),
      policy('shop', 'harmless', { policyTypes: ['Ingress'] }),
    ];
    const found = widenings(
      { namespaces: [], pods: [web, db], policies: [deny, allow, harmless] },
      { judged: new Set([allow, harmless]), groupOf },
    );
    assert.deepEqual(
      found.map((each) => [each.policy.metadata.name, ...textsOf(each)]),
      [['allow', 'db > web TCP 80', 'any address > web TCP 80']],
    );
  });

  it('counts the flows beyond those that it returns', () => {
    const deny = policy('shop', 'deny', { policyTypes: both });
    const allow = policy('shop', 'allow', { ingress: [{}] });
    const [found] = widenings(
      { namespaces: [], pods: [web, api, db], policies: [deny, allow] },
      { judged: new Set([allow]), groupOf, most: 1 },
    );
    assert.deepEqual([found?.flows.length, found?.total], [1, 4]);
  });

  it('lets an additive policy isolate no pod', () => {
    const [deny, allow, elsewhere] = [
      policy('shop', 'deny', { policyTypes: ['Ingress'] }),
      policy('shop', 'allow', { ingress: [{ from: [{ namespaceSelector: {} }] }] }),
      policy('data', 'elsewhere', { policyTypes: ['Egress'], egress: [] }),
    ];
    const view = {
      namespaces: [{ name: 'data', labels: {} }],
      pods: [web, db],
      policies: [deny, allow, elsewhere],
    };
    const judged = new Set([allow]);
    assert.deepEqual(widenings(view, { judged, groupOf }), []);
    assert.deepEqual(widenings(view, { judged, groupOf, additive: new Set([elsewhere]) }).flatMap(textsOf), [
      'db > web all ports',
    ]);
  });
});
