import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_PROFILE } from '../../../src/api/names.ts';
import type { PolicyType } from '../../../src/api/network-policy.ts';
import type { ProfileIntent } from '../../../src/controller/namespace/gather.ts';
import { desiredStaged } from '../../../src/controller/namespace/staged.ts';
import { compile } from '../../../src/policy/compile.ts';
import { NOTHING_STAGED, withoutExtended } from '../../../src/policy/staged.ts';
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
const names = (policies: readonly KubeObject[]) => policies.map(({ metadata }) => metadata.name);

describe('policies to stage', () => {
  it('are those that Enforce would write, owned by the profile also under Retain', () => {
    const intent = intentOf('audit', { deletionPolicy: 'Retain' });
    const { policies } = desiredStaged([intent], []);
    assert.deepEqual(names(policies), names(intent.compiled.policies));
    for (const { metadata } of policies)
      assert.equal(metadata.ownerReferences?.[0]?.uid, intent.profile.metadata.uid);
  });

  it('are none of profiles that enforce, and stay as they are for held ones', () => {
    assert.deepEqual(desiredStaged([intentOf('enforce')], []), NOTHING_STAGED);
    const held = intentOf('held');
    assert.deepEqual(desiredStaged([held], []), {
      ...NOTHING_STAGED,
      kept: new Set([held.profile.metadata.name]),
    });
  });

  const account = (direction: PolicyType): ProfileIntent => {
    const intent = intentOf('audit');
    const extension = {
      metadata: {
        name: 'segmented.rule',
        namespace: 'shop',
        labels: { [LABEL_PROFILE]: intent.profile.metadata.name },
      },
      podSelector: {},
      direction,
      rules: [
        { peer: { kind: 'serviceAccount', namespace: 'a', name: 'b' }, note: { rule: 'r', peer: 'a/b' } },
      ],
      unresolved: [],
    } as const;
    return { ...intent, compiled: { ...intent.compiled, extensions: [extension] } };
  };

  it('have the extensions beside them, owned by the profile too', () => {
    const intent = account('Ingress');
    const { policies, extensions } = desiredStaged([intent], []);
    assert.deepEqual(policies[0]?.spec.policyTypes, ['Ingress', 'Egress']);
    assert.deepEqual(names(extensions), ['segmented.rule']);
    assert.equal(extensions[0]?.metadata.ownerReferences?.[0]?.uid, intent.profile.metadata.uid);
  });

  it('leave out the directions of extensions where these can not be staged, and say why', () => {
    const desired = withoutExtended(desiredStaged([account('Ingress')], []), 'no such kind');
    assert.deepEqual(
      desired.policies.map(({ spec }) => spec.policyTypes),
      [['Egress']],
    );
    assert.deepEqual(desired.extensions, []);
    assert.deepEqual(desired.leftOut, [
      { profile: 'segmented', direction: 'Ingress', message: 'no such kind' },
    ]);
  });

  it('leave out a direction in which a peer was never resolved, until it is staged', () => {
    const intent = intentOf('audit', { egress: [{ name: 'r', to: [UNRESOLVED] }] });
    const { policies, leftOut } = desiredStaged([intent], []);
    assert.deepEqual(
      leftOut.map(({ direction }) => direction),
      ['Egress'],
    );
    assert.match(leftOut[0]?.message ?? '', /^rule r, service shop\/missing: /);
    assert.deepEqual([...new Set(policies.flatMap(({ spec }) => spec.policyTypes ?? []))], ['Ingress']);
    const before = desiredStaged([intentOf('audit')], []).policies;
    const after = desiredStaged([intent], before).policies;
    const deny = after.find(({ metadata }) => metadata.name.endsWith('.default-deny'));
    assert.deepEqual(deny?.spec.policyTypes, ['Ingress', 'Egress']);
  });
});
