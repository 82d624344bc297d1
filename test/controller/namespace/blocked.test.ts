import assert from 'node:assert/strict';
import { FINALIZER } from '../../../src/api/names.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { readinessOf } from '../../../src/controller/namespace/blocked.ts';
import { NO_MESH_SUPPORT } from '../../../src/controller/mesh-support.ts';
import { gather } from '../../../src/controller/namespace/gather.ts';
import { facts, type FactsInput, profile } from '../../policy/fixture.ts';

const SHOP = projectNamespace({ metadata: { name: 'shop', uid: 'n', resourceVersion: '1', labels: {} } });

/** A profile with a peer that Services resolve. */
function named(name: string, metadata: Partial<SegmentationProfile['metadata']>): SegmentationProfile {
  const peer = { service: { namespace: 'data', name: 'db' } };
  const { spec } = profile({ isolation: ['Egress'], egress: [{ name: 'r', to: [peer] }] });
  return { metadata: { name, uid: name, resourceVersion: '2', generation: 1, ...metadata }, spec };
}

function gathered(profiles: readonly SegmentationProfile[], input: FactsInput = {}) {
  const clusterState = new ClusterState([]);
  for (const each of profiles) clusterState.profiles.upsert(projectProfile(each));
  return gather(SHOP, { clusterState, facts: facts(input), additions: [], mesh: NO_MESH_SUPPORT });
}

const accepted = named('accepted', { finalizers: [FINALIZER] });
const noError = () => undefined;

describe('readiness of a reconcile', () => {
  it('is ready if every profile has the finalizer and every source is known', () => {
    assert.deepEqual(readinessOf(gathered([accepted]), noError), { kind: 'ready' });
  });

  it('is blocked by a new profile without the finalizer, for that profile', () => {
    const readiness = readinessOf(gathered([accepted, named('new', {})]), noError);
    assert.ok(readiness.kind === 'blocked');
    assert.deepEqual(
      readiness.intents.map((intent) => intent.profile.metadata.name),
      ['new'],
    );
    assert.equal(readiness.failure?.reason, 'Accepting');
  });

  it('is ready if a deleted profile has no finalizer any more', () => {
    const deleted = named('deleted', { deletionTimestamp: '2026-01-01T00:00:00Z' });
    assert.deepEqual(readinessOf(gathered([accepted, deleted]), noError), { kind: 'ready' });
  });

  it('is blocked without a failure while a source is read for the first time', () => {
    const readiness = readinessOf(gathered([accepted], { unknown: ['services'] }), noError);
    assert.ok(readiness.kind === 'blocked');
    assert.equal(readiness.failure, undefined);
  });

  it('is blocked with the error of a source that can not be read', () => {
    const readiness = readinessOf(gathered([accepted], { unknown: ['services'] }), () => 'forbidden');
    assert.ok(readiness.kind === 'blocked');
    assert.deepEqual(readiness.failure, {
      reason: 'SourceUnavailable',
      message: 'waiting to read services: forbidden',
      kind: 'waiting',
    });
  });
});
