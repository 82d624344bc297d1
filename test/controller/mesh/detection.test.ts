/** When the report of a service mesh is complete, against the model of the API server in virtual time. */
import assert from 'node:assert/strict';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { projectProfile } from '../../../src/cluster-state/items.ts';
import type { RevisionIn } from '../../../src/cluster-state/in-force.ts';
import { MeshDetection } from '../../../src/controller/mesh/index.ts';
import { profile } from '../../policy/fixture.ts';
import { MINUTE, World } from './world.ts';

const ASKING = profile({ namespaceSelector: {}, mesh: { authorization: 'Enforce', mtls: 'Disabled' } });
const NOT_ASKING = profile({ namespaceSelector: {} });

describe('mesh detection that finds no mesh', () => {
  const kept = new Set([ASKING.metadata.name]);
  const desired = { policies: [], profiles: [], kept, excepting: new Set<string>() };

  async function leading(inForce: SegmentationProfile, work: (mesh: MeshDetection, world: World) => unknown) {
    const world = new World();
    const { clusterState, scheduler, options } = world;
    const metadata = { ...ASKING.metadata, resourceVersion: '1' };
    clusterState.profiles.upsert(projectProfile({ ...ASKING, metadata }));
    const revision: RevisionIn = { kind: 'revision', number: 1, profile: inForce };
    clusterState.revisions = { revisionIn: () => revision };
    const mesh = new MeshDetection({ ...options, onVerdict: () => {} });
    mesh.lead(
      () => {},
      () => {},
    );
    assert.equal(mesh.isJudged(ASKING), false);
    await scheduler.advance(MINUTE);
    await work(mesh, world);
    await world.during(mesh.stop());
  }

  it('has judged a profile while a rollout has a revision in force that asks for no overlay', () =>
    leading(NOT_ASKING, (mesh) => {
      assert.equal(mesh.isJudged(ASKING), true);
    }));

  it('has judged a profile whose policies stay as they are once the objects of its overlay are read', () =>
    leading(ASKING, async (mesh, { scheduler, shop }) => {
      assert.equal(mesh.isJudged(ASKING), false);
      mesh.plan(shop, () => desired);
      await scheduler.advance(MINUTE);
      assert.equal(mesh.isJudged(ASKING), true);
    }));
});
