/** What a change of policies opens and closes is what the evaluator says before and after. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NetworkPolicy, NetworkPolicySpec, Protocol } from '../../src/api/network-policy.ts';
import { flowChanges, policyChanges, subtract } from '../../src/analysis/changes.ts';
import type { Pod } from '../../src/analysis/cluster.ts';
import { compileView } from '../../src/analysis/evaluator.ts';
import { namespaces, pods, policies } from './arbitrary.ts';

const PORTS = [53, 80, 85, 8080, 9999];
const PROTOCOLS: Protocol[] = ['TCP', 'UDP', 'SCTP'];
const policy = (name: string, spec: NetworkPolicySpec): NetworkPolicy => ({
  metadata: { namespace: 'shop', name },
  spec,
});

describe('the change of flows', () => {
  it('is, for every two pods and every port, what the evaluator says before and after', () => {
    fc.assert(
      fc.property(namespaces, pods, policies(4), policies(4), (namespaces, generated, old, next) => {
        // What comes from the own node is allowed whatever the policies are, and no part of it.
        const all = generated.map(({ node: _node, ...pod }): Pod => pod);
        const [before, after] = [
          { namespaces, pods: all, policies: old },
          { namespaces, pods: all, policies: next },
        ];
        const single = ({ namespace, name }: Pod) => ({ namespace, kind: 'Pod', name });
        const { opened, closed } = flowChanges(before, after, single, () => false);
        const [was, is] = [compileView(before), compileView(after)];
        for (const from of all) {
          for (const to of all) {
            if (from === to) continue;
            for (const port of PORTS) {
              for (const protocol of PROTOCOLS) {
                const passes = (evaluator: typeof was) =>
                  ([4, 6] as const).some(
                    (family) =>
                      evaluator.verdict({
                        from: { kind: 'pod', pod: from },
                        to: { kind: 'pod', pod: to },
                        port,
                        protocol,
                        family,
                      }).allowed,
                  );
                const told = (changes: typeof opened) =>
                  changes.some(
                    (each) =>
                      each.from.name === from.name &&
                      each.to.name === to.name &&
                      each.ports.some(
                        (range) => range.protocol === protocol && range.from <= port && port <= range.to,
                      ),
                  );
                const [a, b] = [passes(was), passes(is)];
                assert.deepEqual(
                  [told(opened), told(closed)],
                  [!a && b, a && !b],
                  `${from.name} > ${to.name} ${protocol} ${port}`,
                );
              }
            }
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('puts the pods of a workload together, and says where it is not the same for all of them', () => {
    const pod = (name: string, labels: Record<string, string>): Pod => ({
      namespace: 'shop',
      name,
      labels,
      ips: [`10.0.0.${name.length}`],
    });
    const view = {
      namespaces: [{ name: 'shop', labels: {} }],
      pods: [pod('a-1', { v: '1' }), pod('a-22', { v: '2' }), pod('b', {})],
    };
    const groupOf = ({ namespace, name }: Pod) => ({ namespace, kind: 'Deployment', name: name[0] ?? '' });
    const denied = policy('deny', { podSelector: { matchLabels: { v: '1' } }, policyTypes: ['Egress'] });
    const { opened, closed } = flowChanges(
      { ...view, policies: [] },
      { ...view, policies: [denied] },
      groupOf,
      () => false,
    );
    assert.deepEqual(opened, []);
    assert.deepEqual(
      closed.map(({ from, to, partial }) => [from.name, to.name, partial]),
      [
        ['a', 'a', true],
        ['a', 'b', true],
        ['a', 'any address', true],
      ],
    );
  });

  it('tells ranges of addresses only where they differ from any address', () => {
    const view = {
      namespaces: [{ name: 'shop', labels: {} }],
      pods: [{ namespace: 'shop', name: 'a', labels: {}, ips: ['10.0.0.1'] }],
    };
    const deny = policy('deny', { policyTypes: ['Egress'] });
    const office = policy('office', {
      policyTypes: ['Egress'],
      egress: [{ to: [{ ipBlock: { cidr: '203.0.113.0/24' } }], ports: [{ port: 443 }] }],
    });
    const groupOf = ({ namespace, name }: Pod) => ({ namespace, kind: 'Pod', name });
    const closed = (policies: NetworkPolicy[]) =>
      flowChanges({ ...view, policies: [] }, { ...view, policies }, groupOf, () => false).closed.map(
        ({ to, ports }) => `${to.name} ${ports.length}`,
      );
    assert.deepEqual(closed([deny]), ['any address 3']);
    assert.deepEqual(closed([deny, office]), ['any address 3', '203.0.113.0/24 4']);
  });
});

describe('the change of policies', () => {
  const allow = (port: number) => ({ from: [{ podSelector: {} }], ports: [{ port }] });

  it('names those that come, go and change, with the rules that differ', () => {
    const before = [policy('a', { ingress: [allow(1), allow(2)] }), policy('gone', {})];
    const after = [policy('a', { ingress: [allow(2), allow(3)] }), policy('new', {})];
    const changes = policyChanges(before, after);
    assert.deepEqual(
      changes.map(({ change, before, after }) => [change, (after ?? before)?.metadata.name]),
      [
        ['changed', 'a'],
        ['removed', 'gone'],
        ['added', 'new'],
      ],
    );
    assert.deepEqual(
      changes[0]?.rules.map(({ change, rule }) => [change, rule.ports?.[0]?.port]),
      [
        ['removed', 1],
        ['added', 3],
      ],
    );
  });

  it('is none where only the spelling differs', () => {
    const spellings: NetworkPolicySpec[] = [
      { ingress: [{ from: [{ ipBlock: { cidr: '2001:db8::/32' } }], ports: [{ port: 80 }] }] },
      {
        podSelector: {},
        policyTypes: ['Ingress'],
        egress: [],
        ingress: [
          { ports: [{ protocol: 'TCP', port: 80 }], from: [{ ipBlock: { cidr: '2001:DB8:0::/32' } }] },
        ],
      },
    ];
    assert.deepEqual(policyChanges([policy('a', spellings[0]!)], [policy('a', spellings[1]!)]), []);
  });

  it('says where a policy is for other pods than before', () => {
    const [change] = policyChanges(
      [policy('a', {})],
      [policy('a', { podSelector: { matchLabels: { app: 'a' } } })],
    );
    assert.deepEqual([change?.scope, change?.rules], [true, []]);
  });
});

describe('ports without others', () => {
  it('are what is left on both sides of each hole', () => {
    const tcp = (from: number, to: number) => ({ protocol: 'TCP' as const, from, to });
    assert.deepEqual(subtract([tcp(1, 100)], [tcp(10, 20), tcp(50, 50)]), [
      tcp(1, 9),
      tcp(21, 49),
      tcp(51, 100),
    ]);
    assert.deepEqual(subtract([tcp(1, 100)], [{ protocol: 'UDP', from: 1, to: 100 }]), [tcp(1, 100)]);
    assert.deepEqual(subtract([tcp(5, 9)], [tcp(1, 100)]), []);
  });
});
