/** The access that a foreign policy allows beyond a profile's tenant limit; the bindings of limit and protection. */
import assert from 'node:assert/strict';
import type { NetworkPolicySpec } from '../../../src/api/network-policy.ts';
import {
  wantsTenantLimit,
  protectionOf,
  tenantLimitOf,
  wantsProtection,
} from '../../../src/policy/admission/protect.ts';
import { peerScopesOf, wideningOf } from '../../../src/policy/admission/widening.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { profile } from '../fixture.ts';

const ADMISSION = {
  gate: 'Disabled',
  protect: 'Disabled',
  tenantPolicies: 'Any',
  tenantPoliciesAction: 'Enforce',
} as const;
const asking = (admission: object, spec: object = {}) =>
  profile({ ...spec, admission: { ...ADMISSION, ...admission } });
const scopes = (spec: NetworkPolicySpec) =>
  peerScopesOf({ metadata: { name: 'p', namespace: 'shop' }, spec });
const own = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } } };

describe('the tenant limit', () => {
  type Case = readonly [access: string, spec: NetworkPolicySpec, none?: string, within?: string];
  const cases: readonly Case[] = [
    ['nothing', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }],
    ['everyone', { ingress: [{}] }, 'ingress from everyone', 'ingress from everyone'],
    [
      'everyone on one port',
      { egress: [{ ports: [{ port: 53 }] }] },
      'egress to everyone',
      'egress to everyone',
    ],
    [
      'pods of its own namespace',
      { ingress: [{ from: [{ podSelector: {} }] }] },
      'ingress from its own namespace',
    ],
    ['its own namespace by name', { ingress: [{ from: [own] }] }, 'ingress from its own namespace'],
    [
      'other namespaces and addresses',
      { ingress: [{ from: [{ namespaceSelector: {} }, { ipBlock: { cidr: '10.0.0.0/8' } }] }] },
      'ingress from addresses, other namespaces',
      'ingress from addresses, other namespaces',
    ],
    ['egress without effect', { policyTypes: ['Ingress'], egress: [{}] }],
    [
      'ingress from its own namespace and egress to others',
      { ingress: [{ from: [own] }], egress: [{ to: [{ namespaceSelector: {} }] }] },
      'ingress from its own namespace; egress to other namespaces',
      'egress to other namespaces',
    ],
  ];
  for (const [access, spec, none, within] of cases) {
    it(`judges a foreign policy that allows ${access}`, () => {
      assert.equal(wideningOf(asking({ tenantPolicies: 'None' }), scopes(spec)), none);
      assert.equal(wideningOf(asking({ tenantPolicies: 'WithinNamespace' }), scopes(spec)), within);
      assert.equal(wideningOf(asking({}), scopes(spec)), undefined);
    });
  }

  it('admits every foreign policy in a direction that the profile does not isolate', () => {
    const ingress = asking({ tenantPolicies: 'None' }, { isolation: ['Ingress'] });
    assert.equal(wideningOf(ingress, scopes({ policyTypes: ['Egress'], egress: [{}] })), undefined);
  });
});

describe('the bindings of protection and tenant limit', () => {
  it('are wanted by a profile only under Enforce', () => {
    assert.equal(wantsProtection(asking({ protect: 'Warn' })), true);
    assert.equal(wantsProtection(asking({ protect: 'Warn' }, { mode: 'Audit' })), false);
    assert.equal(wantsProtection(profile()), false);
    assert.equal(wantsTenantLimit(asking({ tenantPolicies: 'None' })), true);
    assert.equal(wantsTenantLimit(asking({ tenantPolicies: 'None' }, { mode: 'Audit' })), false);
    assert.equal(wantsTenantLimit(asking({})), false);
  });

  it('deny, warn or audit as the profile says', () => {
    const actions = (admission: object) => [
      protectionOf(asking(admission)).spec.validationActions,
      tenantLimitOf(asking(admission), []).spec.validationActions,
    ];
    assert.deepEqual(actions({ protect: 'Enforce', tenantPoliciesAction: 'Warn' }), [['Deny'], ['Warn']]);
    assert.deepEqual(actions({ protect: 'Warn', tenantPoliciesAction: 'Audit' }), [['Warn'], ['Audit']]);
    assert.deepEqual(actions({ tenantPoliciesAction: 'Enforce' })[1], ['Deny']);
  });

  it('select the policies of the profile, and the namespaces that it selects', () => {
    const { objectSelector } = protectionOf(asking({ protect: 'Enforce' })).spec.matchResources;
    const labels = { 'app.kubernetes.io/managed-by': 'segmentation-operator' };
    assert.equal(matches(objectSelector, { ...labels, 'segmentation.dev/profile': 'segmented' }), true);
    assert.equal(matches(objectSelector, { ...labels, 'segmentation.dev/profile': 'another' }), false);
    const limit = tenantLimitOf(asking({}, { excludeNamespaces: ['out'] }), ['kube-system']);
    const { namespaceSelector } = limit.spec.matchResources;
    const covered = ['shop', 'out', 'kube-system'].filter((name) =>
      matches(namespaceSelector, { 'kubernetes.io/metadata.name': name }),
    );
    assert.deepEqual(covered, ['shop']);
  });
});
