import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { ProfileIntent } from '../../../src/controller/namespace/gather.ts';
import { desiredStaged } from '../../../src/controller/namespace/staged.ts';
import { compile } from '../../../src/policy/compile.ts';
import { facts, profile } from '../../policy/fixture.ts';

const SHOP = { name: 'shop', labels: {} };
const UNRESOLVED = { service: { namespace: 'shop', name: 'missing' } };

function intentOf(
  relation: ProfileIntent['relation'],
  spec: Parameters<typeof profile>[0] = {},
): ProfileIntent {
  const audited = profile({ mode: 'Audit', ...spec });
  return { profile: audited, relation, compiled: compile(audited, SHOP, facts()) };
}
const names = (policies: readonly NetworkPolicy[]) => policies.map(({ metadata }) => metadata.name);

describe('policies to stage', () => {
  it('are those that Enforce would write, owned by the profile also under Retain', () => {
    const intent = intentOf('audit', { deletionPolicy: 'Retain' });
    const { policies } = desiredStaged([intent], []);
    assert.deepEqual(names(policies), names(intent.compiled.policies));
    for (const { metadata } of policies)
      assert.equal(metadata.ownerReferences?.[0]?.uid, intent.profile.metadata.uid);
  });

  it('are none of profiles that enforce, and stay as they are for held ones', () => {
    assert.deepEqual(desiredStaged([intentOf('enforce')], []), { policies: [], kept: new Set() });
    const held = intentOf('held');
    assert.deepEqual(desiredStaged([held], []), {
      policies: [],
      kept: new Set([held.profile.metadata.name]),
    });
  });

  it('leave out a direction with a peer that an extension carries', () => {
    const intent = intentOf('audit');
    const extension = {
      metadata: { name: 'segmented.ingress', namespace: 'shop' },
      podSelector: {},
      direction: 'Ingress',
      rules: [{ peer: { kind: 'serviceAccount', namespace: 'a', name: 'b' }, note: { rule: 'r' } }],
      unresolved: [],
    } as const;
    const extended = { ...intent, compiled: { ...intent.compiled, extensions: [extension] } };
    const [deny] = desiredStaged([extended], []).policies;
    assert.deepEqual(deny?.spec.policyTypes, ['Egress']);
  });

  it('leave out a direction in which a peer was never resolved, until it is staged', () => {
    const intent = intentOf('audit', { egress: [{ name: 'r', to: [UNRESOLVED] }] });
    const { policies } = desiredStaged([intent], []);
    assert.deepEqual([...new Set(policies.flatMap(({ spec }) => spec.policyTypes ?? []))], ['Ingress']);
    const before = desiredStaged([intentOf('audit')], []).policies;
    const after = desiredStaged([intent], before).policies;
    const deny = after.find(({ metadata }) => metadata.name.endsWith('.default-deny'));
    assert.deepEqual(deny?.spec.policyTypes, ['Ingress', 'Egress']);
  });
});
