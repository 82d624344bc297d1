/** Differences between two sets of policies. */
import assert from 'node:assert/strict';
import type { NetworkPolicy, NetworkPolicySpec } from '../../src/api/network-policy.ts';
import { policyChanges } from '../../src/analysis/policy-changes.ts';

const policy = (name: string, spec: NetworkPolicySpec): NetworkPolicy => ({
  metadata: { namespace: 'shop', name },
  spec,
});

describe('policyChanges', () => {
  const allow = (port: number) => ({ from: [{ podSelector: {} }], ports: [{ port }] });

  it('lists added, removed and changed policies, with the rules that differ', () => {
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

  it('ignores differences of spelling', () => {
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

  it('marks a policy that selects other pods than before', () => {
    const [change] = policyChanges(
      [policy('a', {})],
      [policy('a', { podSelector: { matchLabels: { app: 'a' } } })],
    );
    assert.deepEqual([change?.scope, change?.rules], [true, []]);
  });
});
