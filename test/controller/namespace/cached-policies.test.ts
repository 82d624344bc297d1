/** Writes that are safe from cached policies alone. */
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { isSafeFromCache } from '../../../src/controller/namespace/cached-policies.ts';
import { plan } from '../../../src/policy/planning/plan.ts';

const policy = (name: string, spec: NetworkPolicy['spec']): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'a', uid: name, resourceVersion: '1' },
  spec,
});
const DENY = policy('deny', { podSelector: {}, policyTypes: ['Egress'] });
const ALLOW = policy('allow', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] });

describe('a plan made from cached policies', () => {
  const isSafe = (cached: NetworkPolicy[], desired: NetworkPolicy[], hasReadPolicies: boolean) =>
    isSafeFromCache(plan(cached, desired, { hasPods: true, ownerOf: () => 'p' }), cached, {
      hasReadPolicies,
    });

  it('needs a live read to create a policy beside one that the process before may have deleted', () => {
    assert.equal(isSafe([DENY], [DENY, ALLOW], false), false);
    assert.equal(isSafe([DENY], [DENY, ALLOW], true), true);
  });

  it('needs no live read where no policy is cached', () => {
    assert.equal(isSafe([], [DENY], false), true);
  });

  it('needs no live read to update a policy, which is refused if it is another one by now', () => {
    const { metadata, spec } = DENY;
    const relabelled = { ...DENY, metadata: { ...metadata, labels: { team: 'x' } }, spec };
    assert.equal(isSafe([DENY], [relabelled], false), true);
  });
});
