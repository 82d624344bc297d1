/** The overlay of a tunnel whose objects become known during a reconcile, against the model of the API server. */
import assert from 'node:assert/strict';
import { API_VERSION, KIND, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import { projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import type { ExtensionWriteContext } from '../../../src/controller/engine-support.ts';
import { MeshOverlay } from '../../../src/controller/mesh/overlay.ts';
import { withDigests } from '../../../src/engines/digests.ts';
import { DENY_TUNNEL } from '../../../src/engines/istio/ambient/objects.ts';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import { evidenceOf } from '../../engines/istio/fixture.ts';
import { profile } from '../../policy/fixture.ts';
import { AUTHORIZATION, MINUTE, World } from './world.ts';

const ASKING = profile({
  isolation: ['Ingress'],
  baseline: { mesh: 'Allow' },
  mesh: { authorization: 'Enforce', mtls: 'Disabled' },
});
const { name: NAME, uid = '' } = ASKING.metadata;
const NOTHING = { policies: [], extensions: [], unresolved: [], connections: [] };

describe('overlay of a tunnel', () => {
  it('stays if its objects become known after the policies of the namespace were planned', async () => {
    const world = new World();
    const owner = { apiVersion: API_VERSION, kind: KIND, name: NAME, uid, controller: true };
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: NAME };
    const deny = { metadata: { name: `${NAME}.default-deny`, labels, ownerReferences: [owner] } };
    world.create(AUTHORIZATION, withDigests({ ...deny, spec: DENY_TUNNEL }, []));
    world.clusterState.profiles.upsert(
      projectProfile({ ...ASKING, metadata: { ...ASKING.metadata, resourceVersion: '1' } }),
    );
    const redirected = { 'istio.io/dataplane-mode': 'ambient' };
    const shop = projectNamespace({
      metadata: { name: 'shop', uid: 'uid-shop', resourceVersion: '2', labels: redirected },
    });
    world.clusterState.namespaces.upsert(shop);
    const { facts } = detectIstio(evidenceOf());
    const again = new Set<string>();
    const overlay = new MeshOverlay(
      { ...world.options, facts: () => facts },
      { onIntent: (namespace) => again.add(namespace), onDrift: () => {}, onReport: () => {} },
    );

    const enforced = [{ profile: ASKING, compiled: NOTHING }];
    const tunnels = overlay.tunnels(shop, { enforced, held: [] }, () => []);
    assert.equal(tunnels.get(NAME)?.unresolved.length, 1);
    await world.scheduler.advance(MINUTE);
    const desired = {
      policies: [],
      profiles: [ASKING],
      kept: new Set<string>(),
      excepting: new Set<string>(),
    };
    const writes = overlay.plan(shop, () => desired);
    const context = { send: (write: () => Promise<void>) => write(), signal: new AbortController().signal };
    await world.during(writes.apply(context as unknown as ExtensionWriteContext, { onlyWidens: false }));

    const { spec } = world.get(`${AUTHORIZATION}/${NAME}.default-deny`) as { readonly spec?: unknown };
    assert.deepEqual(spec, DENY_TUNNEL);
    assert.deepEqual([...again], ['shop']);
    await world.during(overlay.stop());
  });
});
