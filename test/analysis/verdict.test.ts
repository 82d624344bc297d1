/** The reasons, policies and rules of a verdict. */
import assert from 'node:assert/strict';
import { endpoint, policy, verdictOf, web } from './fixture.ts';

describe('the verdict of the evaluator', () => {
  const deny = policy('shop', 'deny', { policyTypes: ['Ingress', 'Egress'] });
  const allow = policy('shop', 'allow', {
    podSelector: web,
    ingress: [{ from: [{ podSelector: {} }] }, { ports: [{ port: 1 }] }, { ports: [{ port: 80 }] }],
  });
  const reasons: [flow: string, egress: string, ingress: string][] = [
    ['shop/api > shop/web TCP/80', 'NoRule', 'Rule'],
    ['data/db > shop/web TCP/80', 'NotIsolated', 'Rule'],
    ['data/db > shop/web TCP/81', 'NotIsolated', 'NoRule'],
    ['198.51.100.7 > shop/web TCP/81', 'NotSubject', 'NoRule'],
    ['shop/web > shop/web TCP/81', 'Self', 'Self'],
    ['ops/agent > shop/web TCP/81', 'NotSubject', 'LocalNode'],
    ['ops/agent > ops/agent TCP/81', 'NotSubject', 'NotSubject'],
    ['ops/web > data/db TCP/81', 'NotIsolated', 'NotIsolated'],
  ];
  for (const [flow, egress, ingress] of reasons) {
    it(`has for ${flow} the reason ${egress} at the source and ${ingress} at the destination`, () => {
      const verdict = verdictOf([deny, allow], flow);
      assert.deepEqual([verdict.egress.reason, verdict.ingress.reason], [egress, ingress]);
    });
  }

  it('lists the isolating policies by name, and every rule that allows the flow', () => {
    const { ingress, egress } = verdictOf([deny, allow], 'shop/api > shop/web TCP/80');
    assert.deepEqual(ingress, {
      allowed: true,
      isolated: true,
      reason: 'Rule',
      policies: [allow, deny],
      allowedBy: [
        { policy: allow, rule: 0 },
        { policy: allow, rule: 2 },
      ],
    });
    assert.deepEqual(egress, {
      allowed: false,
      isolated: true,
      reason: 'NoRule',
      policies: [deny],
      allowedBy: [],
    });
  });

  it('marks an end as not isolated if no policy selects it in that direction', () => {
    const { ingress, egress } = verdictOf([allow], 'shop/web > data/db TCP/80');
    assert.deepEqual([egress.isolated, ingress.isolated], [false, false]);
    assert.equal(verdictOf([allow], 'data/db > shop/web TCP/80').ingress.isolated, true);
  });

  it('counts a policy without a namespace to the namespace default, as kubectl does', () => {
    const from = endpoint('shop/api');
    const to = { kind: 'pod' as const, pod: { namespace: 'default', name: 'x', labels: {}, ips: [] } };
    const flow = { from, to, port: 80, protocol: 'TCP' as const };
    assert.equal(verdictOf([{ metadata: { name: 'deny' }, spec: {} }], flow).allowed, false);
  });
});
