import assert from 'node:assert/strict';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { projectNamespace, projectPolicy, projectProfile } from '../../../src/cluster-state/items.ts';
import type { RevisionIn } from '../../../src/cluster-state/in-force.ts';
import { PolicyContentPool } from '../../../src/cluster-state/policies/content-pool.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { compileInputs } from '../../../src/controller/guards/inputs.ts';
import type { MissingInput } from '../../../src/controller/namespace/additions.ts';
import { compile } from '../../../src/policy/compile.ts';
import { facts, profile, SHOP } from '../../policy/fixture.ts';

const stored = (name: string, spec: Parameters<typeof profile>[0]): SegmentationProfile => {
  const { metadata, ...rest } = profile(spec);
  return { ...rest, metadata: { ...metadata, name, uid: `uid-${name}`, resourceVersion: '1' } };
};
const GUARDED = stored('guarded', { guard: { mode: 'Enforce' } });
const ROLLED = stored('rolled', {
  rollout: { waves: [], deadline: '1h', onFailure: 'Pause', paused: false },
});

/** The guard of a profile whose namespace another profile with a rollout selects too. */
function compileShared({
  revision,
  hasPolicies = true,
  missing,
}: {
  readonly revision: RevisionIn;
  readonly hasPolicies?: boolean;
  readonly missing?: MissingInput;
}) {
  const clusterState = new ClusterState([]);
  for (const each of [GUARDED, ROLLED]) clusterState.profiles.upsert(projectProfile(each));
  clusterState.namespaces.upsert(
    projectNamespace({ metadata: { ...SHOP, uid: 'uid-shop', resourceVersion: '1' } }),
  );
  const pool = new PolicyContentPool();
  for (const { metadata, ...rest } of hasPolicies ? compile(ROLLED, SHOP, facts()).policies : []) {
    const { name } = metadata;
    const written = { ...metadata, namespace: SHOP.name, uid: `uid-${name}`, resourceVersion: '1' };
    clusterState.policies.upsert(projectPolicy({ ...rest, metadata: written }, pool));
  }
  clusterState.revisions = {
    revisionIn: (each) => (each.metadata.name === 'rolled' ? revision : undefined),
  };
  return compileInputs(GUARDED, clusterState, {
    sources: { facts: facts(), subscribe: () => {}, unsubscribe: () => {} },
    additions: [
      {
        missing: () => missing,
        of: () => ({ policies: [], extensions: [], unresolved: [] }),
      },
    ],
  });
}

describe('inputs of a guard', () => {
  const held = { kind: 'held' } as const;

  it('name policies of a profile with a rollout that are of no known revision', () => {
    assert.deepEqual(compileShared({ revision: held })?.held, [{ profile: 'rolled', namespaces: ['shop'] }]);
  });

  it('name no policies where the profile with a rollout has none, or a known revision', () => {
    assert.equal(compileShared({ revision: held, hasPolicies: false })?.held, undefined);
    const known = compileShared({ revision: { kind: 'revision', number: 1, profile: ROLLED } });
    assert.ok(known);
    assert.equal(known.held, undefined);
  });

  it('are incomplete while revisions are read for the first time, and complete once that has failed', () => {
    const resource = 'controllerrevisions';
    assert.equal(compileShared({ revision: held, missing: { resource, error: undefined } }), undefined);
    assert.ok(compileShared({ revision: held, missing: { resource, error: 'forbidden' } })?.held);
  });
});
