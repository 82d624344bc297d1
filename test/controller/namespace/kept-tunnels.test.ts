/** The tunnels of a namespace that stay while the mesh is not known, whoever has changed their labels. */
import assert from 'node:assert/strict';
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import { projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { gather } from '../../../src/controller/namespace/gather.ts';
import { NO_MESH_SUPPORT } from '../../../src/controller/mesh-support.ts';
import { tunnelPolicies } from '../../../src/engines/istio/ambient/objects.ts';
import { facts, profile } from '../../policy/fixture.ts';

const SHOP = projectNamespace({ metadata: { name: 'shop', uid: 'n', resourceVersion: '1' } });
const ASKING = profile({ baseline: { mesh: 'Allow' }, mesh: { authorization: 'Enforce', mtls: 'Disabled' } });
const { metadata: OWNER } = ASKING;
const ownerReferences = [
  { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile', name: OWNER.name, uid: 'uid-1' },
];

/** The tunnels that stay, of a namespace that has one. */
function kept(labels: Readonly<Record<string, string>> | undefined) {
  const clusterState = new ClusterState([]);
  clusterState.profiles.upsert(projectProfile({ ...ASKING, metadata: { ...OWNER, resourceVersion: '1' } }));
  const [tunnel] = tunnelPolicies(
    { profile: OWNER.name, metadata: { namespace: 'shop', ownerReferences } },
    [{ profile: OWNER.name, pods: {}, source: { namespaces: {}, pods: {} } }],
    15008,
  );
  assert.ok(tunnel);
  const { labels: own, ...metadata } = tunnel.metadata;
  const found = { ...metadata, uid: 'uid-tunnel', resourceVersion: '2', labels: labels ?? own };
  clusterState.policies.upsert(clusterState.policies.project({ ...tunnel, metadata: found }));
  const gathered = gather(SHOP, { clusterState, facts: facts(), additions: [], mesh: NO_MESH_SUPPORT });
  const policies = gathered.intents.flatMap(({ compiled }) => compiled.policies);
  return policies.filter(({ metadata: { name } }) => name === tunnel.metadata.name);
}

describe('tunnels that are kept while no mesh is known', () => {
  it('are those with the labels of the profile', () => assert.equal(kept(undefined).length, 1));

  for (const [what, labels] of [
    ['removed', {}],
    ['changed', { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'other' }],
  ] as const)
    it(`are told by their owner if somebody has ${what} the labels, which are restored`, () => {
      const [tunnel] = kept(labels);
      assert.equal(tunnel?.metadata.labels?.[LABEL_PROFILE], OWNER.name);
      assert.equal(tunnel.metadata.labels[LABEL_MANAGED_BY], MANAGER);
    });
});
