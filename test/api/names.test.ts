import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  alternativeName,
  MAX_NAME_LENGTH,
  MAX_POLICY_NAME_LENGTH,
  type NamedRole,
  policyName,
  transitionName,
} from '../../src/api/names.ts';

const dnsLabel = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, { maxLength: MAX_NAME_LENGTH });
/** Names that share their beginning, as names that are long usually do. */
const similar = fc
  .tuple(fc.constantFrom('a', 'payments-', 'p'.repeat(40), `${'team-'.repeat(10)}x`), dnsLabel)
  .map(([start, end]) => (start + end).slice(0, MAX_NAME_LENGTH).replace(/-+$/, 'x'));
const role = fc.constantFrom<NamedRole>('default-deny', 'ingress', 'egress');
const parts = fc.record({
  profile: similar,
  role,
  rule: fc.option(fc.oneof(similar, fc.constant('baseline.webhook.0123456789ab')), { nil: undefined }),
});
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function assertValid(name: string): void {
  assert.match(name, SUBDOMAIN);
  assert.ok(name.length <= MAX_POLICY_NAME_LENGTH, name);
}

describe('the name of a generated policy', () => {
  it('is a valid object name of at most 63 characters', () => {
    fc.assert(
      fc.property(parts, similar, ({ profile, role, rule }, purpose) => {
        assertValid(policyName(profile, role, rule));
        assertValid(transitionName(profile, purpose));
        const alternative = alternativeName(profile, policyName(profile, role, rule));
        assertValid(alternative);
        assertValid(alternativeName(profile, alternative));
      }),
      { numRuns: 2000 },
    );
  });

  it('joins profile, role and rule with dots if that is short enough', () => {
    assert.equal(policyName('shop', 'ingress'), 'shop.ingress');
    assert.equal(policyName('shop', 'egress', 'to-payments'), 'shop.egress.to-payments');
    const rule = 'r'.repeat(MAX_POLICY_NAME_LENGTH - 'shop.egress.'.length);
    assert.equal(policyName('shop', 'egress', rule), `shop.egress.${rule}`);
  });

  it('keeps the beginnings of longer names readable, and tells them apart by a digest', () => {
    assert.equal(
      policyName('storefront-and-checkout', 'ingress', 'orders-from-the-storefront-and-its-mobile-gateway'),
      'storefront-and-checkou.ingress-636f9611dc.orders-from-the-store',
    );
    assert.equal(policyName('p'.repeat(63), 'default-deny'), `${'p'.repeat(39)}.default-deny-b7c71a04df`);
    assert.notEqual(
      policyName('shop', 'ingress', `${'r'.repeat(58)}-8080`.slice(0, 63)),
      policyName('shop', 'ingress', `${'r'.repeat(58)}-8081`.slice(0, 63)),
    );
  });

  it('differs for different profiles, roles and rules', () => {
    const names = new Map<string, string>();
    fc.assert(
      fc.property(parts, ({ profile, role, rule }) => {
        const key = JSON.stringify([profile, role, rule]);
        const name = policyName(profile, role, rule);
        assert.equal(names.get(name) ?? key, key);
        names.set(name, key);
      }),
      { numRuns: 3000 },
    );
  });
});
