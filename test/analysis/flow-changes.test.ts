/** The flows that a change of policies opens and closes, compared with the evaluator's verdicts before and after. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { NetworkPolicy, NetworkPolicySpec, Protocol } from '../../src/api/network-policy.ts';
import { flowChanges } from '../../src/analysis/flow-changes.ts';
import type { Pod } from '../../src/analysis/cluster.ts';
import { compileView } from '../../src/analysis/evaluator.ts';
import { namespaces, pods, policies } from './arbitrary.ts';
import { runs } from '../policy/fixture.ts';

const PORTS = [53, 80, 85, 8080, 9999];
const PROTOCOLS: Protocol[] = ['TCP', 'UDP', 'SCTP'];
const policy = (name: string, spec: NetworkPolicySpec): NetworkPolicy => ({
  metadata: { namespace: 'shop', name },
  spec,
});

describe('flowChanges', () => {
  it('agrees, for every pair of pods and every port, with the verdicts before and after', () => {
    fc.assert(
      fc.property(namespaces, pods, policies(4), policies(4), (namespaces, generated, first, second) => {
        // Without nodes, as a pod's own node always reaches it and flowChanges leaves that out.
        const all = generated.map(({ node: _node, ...pod }): Pod => pod);
        const [before, after] = [
          { namespaces, pods: all, policies: first },
          { namespaces, pods: all, policies: second },
        ];
        const single = ({ namespace, name }: Pod) => ({ namespace, kind: 'Pod', name });
        const { opened, closed } = flowChanges(before, after, { groupOf: single, isTemplate: () => false });
        const [old, next] = [compileView(before), compileView(after)];
        for (const from of all) {
          for (const to of all) {
            if (from === to) continue;
            for (const port of PORTS) {
              for (const protocol of PROTOCOLS) {
                const passes = (evaluator: typeof old) =>
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
                const includes = (changes: typeof opened) =>
                  changes.some(
                    (each) =>
                      each.from.name === from.name &&
                      each.to.name === to.name &&
                      each.ports.some(
                        (range) => range.protocol === protocol && range.from <= port && port <= range.to,
                      ),
                  );
                const [a, b] = [passes(old), passes(next)];
                assert.deepEqual(
                  [includes(opened), includes(closed)],
                  [!a && b, a && !b],
                  `${from.name} > ${to.name} ${protocol} ${port}`,
                );
              }
            }
          }
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('groups pods by workload, and marks a change that differs between pods of a group as partial', () => {
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
      { groupOf, isTemplate: () => false },
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

  it('lists an address block only if it changes differently from any address', () => {
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
      flowChanges(
        { ...view, policies: [] },
        { ...view, policies },
        { groupOf, isTemplate: () => false },
      ).closed.map(({ to, ports }) => `${to.name} ${ports.length}`);
    assert.deepEqual(closed([deny]), ['any address 3']);
    assert.deepEqual(closed([deny, office]), ['any address 3', '203.0.113.0/24 4']);
  });
});
