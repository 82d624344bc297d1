import assert from 'node:assert/strict';
import { ANNOTATION_RULES, API_VERSION, EXCEPTION_KIND, LABEL_EXCEPTION } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { ProfileStatus, SegmentationProfile } from '../../../src/api/profile.ts';
import {
  openExceptions,
  openExceptionsText,
  rolloutText,
  rolloutUnderWay,
} from '../../../src/cli/commands/status/temporary.ts';

function policyOf(namespace: string, exception?: string, until?: string): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: 'policy',
      namespace,
      ...(exception !== undefined && { labels: { [LABEL_EXCEPTION]: exception } }),
      annotations: { [ANNOTATION_RULES]: JSON.stringify([null, { rule: 'r', ...(until && { until }) }]) },
    },
    spec: { podSelector: {} },
  };
}

describe('overview of what ends by itself', () => {
  it('has no exceptions where no policy is of one', () => {
    assert.equal(openExceptions([policyOf('shop')]), undefined);
  });

  it('counts an exception once whose policies are several, and has the earliest end', () => {
    const policies = [
      policyOf('cart', 'debug', '2026-12-01T09:00:00+02:00'),
      policyOf('cart', 'debug', '2026-12-01T09:00:00+02:00'),
      policyOf('shop', 'debug', '2026-12-01T08:00:00Z'),
      policyOf('shop', 'restore', '2026-12-02T00:00:00Z'),
      policyOf('shop'),
    ];
    const found = openExceptions(policies);
    assert.deepEqual(found, { count: 3, namespaces: 2, nextEnd: '2026-12-01T09:00:00+02:00' });
    assert.equal(
      openExceptionsText(found),
      'by 3 exceptions in 2 namespaces, the first until 2026-12-01T09:00:00+02:00',
    );
  });

  it('counts an exception by its owner if somebody has removed the label of its policies', () => {
    const { metadata, ...policy } = policyOf('shop', undefined, '2026-12-01T08:00:00Z');
    const owner = { apiVersion: API_VERSION, kind: EXCEPTION_KIND, name: 'debug', uid: 'uid-debug' };
    const found = openExceptions([{ ...policy, metadata: { ...metadata, ownerReferences: [owner] } }]);
    assert.deepEqual(found, { count: 1, namespaces: 1, nextEnd: '2026-12-01T08:00:00Z' });
  });

  it('has exceptions whose end nobody can read', () => {
    const found = openExceptions([policyOf('shop', 'debug')]);
    assert.ok(found);
    assert.equal(openExceptionsText(found), 'by 1 exception in 1 namespace');
  });

  const rolloutIn = (rollout: Partial<NonNullable<ProfileStatus['rollout']>>) =>
    rolloutUnderWay({ status: { rollout } } as unknown as SegmentationProfile);

  it('has a rollout with its wave, and none that is complete or has stopped', () => {
    const found = rolloutIn({ phase: 'Soaking', revision: 3, summary: 'Soaking 1/4', wave: 'tenth' });
    assert.ok(found);
    assert.equal(rolloutText(found), 'revision 3: Soaking 1/4, wave tenth');
    for (const phase of ['Complete', 'Failed', 'RolledBack'] as const)
      assert.equal(rolloutIn({ phase, revision: 3, summary: phase }), undefined, phase);
  });
});
