import assert from 'node:assert/strict';
import { recordedRevision, revisionObject } from '../../src/rollout/recorded.ts';
import { intentOf } from '../../src/rollout/revision.ts';
import { profile } from '../policy/fixture.ts';

const OWNED = profile({ mode: 'Audit' });
const recorded = revisionObject(OWNED, 2, 'segmentation-system');

describe('recorded revision', () => {
  it('is that of the profile that owns it, with or without its labels', () => {
    const revision = { number: 2, intent: intentOf(OWNED.spec), waves: [] };
    for (const labels of [recorded.metadata.labels ?? {}, {}])
      assert.deepEqual(recordedRevision({ ...recorded, metadata: { ...recorded.metadata, labels } }), {
        profile: OWNED.metadata.uid,
        revision,
      });
  });

  it('is none of an object that no profile owns, and can not be read of one that somebody has changed', () => {
    const { ownerReferences: _, ...metadata } = recorded.metadata;
    assert.equal(recordedRevision({ ...recorded, metadata }), undefined);
    const { data: __, ...rest } = recorded;
    assert.deepEqual(recordedRevision(rest), { profile: OWNED.metadata.uid, revision: undefined });
  });
});
