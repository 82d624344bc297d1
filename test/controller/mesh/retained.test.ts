/** The overlay of a profile that is deleted under Retain, against the model of the API server in virtual time. */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import { API_VERSION, KIND, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import { projectProfile } from '../../../src/cluster-state/items.ts';
import type { ExtensionWriteContext } from '../../../src/controller/engine-support.ts';
import { MeshOverlay } from '../../../src/controller/mesh/overlay.ts';
import { withDigests } from '../../../src/engines/digests.ts';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import { evidenceOf } from '../../engines/istio/fixture.ts';
import { profile } from '../../policy/fixture.ts';
import { AUTHORIZATION_POLICY } from '../../simulation/server/kinds.ts';
import { AUTHORIZATION, MINUTE, World } from './world.ts';

const SPEC = { action: 'ALLOW', rules: [{ from: [{ source: { namespaces: ['front'] } }] }] };

describe('overlay of a profile that is deleted under Retain', () => {
  const world = new World();
  const { clusterState, shop } = world;
  const { facts } = detectIstio(evidenceOf());
  const { metadata, spec } = world.createProfile(profile({ deletionPolicy: 'Retain' }));
  const deleted = { metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z' }, spec };
  const stored = () => world.get(`${AUTHORIZATION}/p.ingress`) as KubeObject & { spec: unknown };

  it('keeps its owner while a definition hides fields of it, and loses it once it is whole', async () => {
    const owner = {
      apiVersion: API_VERSION,
      kind: KIND,
      name: metadata.name,
      uid: metadata.uid ?? '',
      controller: true,
    };
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: metadata.name };
    const objects = { 'p.default-deny': {}, 'p.ingress': SPEC };
    for (const [name, form] of Object.entries(objects)) {
      const object = { metadata: { name, labels, ownerReferences: [owner] }, spec: form };
      world.create(AUTHORIZATION, withDigests(object, []));
    }
    world.define(AUTHORIZATION_POLICY, { properties: { action: {} } });
    clusterState.profiles.upsert(
      projectProfile({ ...deleted, metadata: { ...deleted.metadata, resourceVersion: '1' } }),
    );
    const overlay = new MeshOverlay(
      { ...world.options, facts: () => facts },
      { onIntent: () => {}, onDrift: () => {}, onReport: () => {} },
    );
    const kept = new Set([metadata.name]);
    const desired = { policies: [], profiles: [], kept, excepting: new Set<string>() };
    const carryOut = async () => {
      const { signal } = new AbortController();
      const context = { send: (write: () => Promise<void>) => write(), signal };
      const writes = overlay.plan(shop, () => desired);
      await world.during(writes.apply(context as unknown as ExtensionWriteContext, { onlyWidens: false }));
    };
    overlay.plan(shop, () => ({ ...desired, profiles: [deleted] }));
    await world.scheduler.advance(MINUTE);
    await carryOut();
    assert.equal(stored().metadata.ownerReferences?.length, 1);
    world.define(AUTHORIZATION_POLICY, {});
    world.link.cut(/authorizationpolicies/);
    await world.scheduler.advance(MINUTE);
    await carryOut();
    assert.deepEqual([stored().spec, stored().metadata.ownerReferences ?? []], [SPEC, []]);
    await world.during(overlay.stop());
  });
});

describe('overlay of a profile whose objects stay as they are', () => {
  it('gets its labels back once, where somebody has removed them', async () => {
    const world = new World();
    const { metadata, spec } = world.createProfile(profile({ deletionPolicy: 'Retain' }));
    const { name, resourceVersion = '' } = metadata;
    world.clusterState.profiles.upsert(projectProfile({ metadata: { ...metadata, resourceVersion }, spec }));
    const labels = { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name };
    const path = `${AUTHORIZATION}/p.ingress`;
    world.create(AUTHORIZATION, withDigests({ metadata: { name: 'p.ingress', labels }, spec: SPEC }, []));
    const writes: string[] = [];
    const overlay = new MeshOverlay(
      { ...world.options, facts: () => undefined, onWrite: (verb) => writes.push(verb) },
      { onIntent: () => {}, onDrift: () => {}, onReport: () => {} },
    );
    await world.during(overlay.restore(new AbortController().signal));
    await world.scheduler.advance(MINUTE);
    world.patch(path, { metadata: { labels: null } });
    await world.scheduler.advance(MINUTE);
    const desired = { policies: [], profiles: [], kept: new Set([name]), excepting: new Set<string>() };
    for (let round = 0; round < 2; round++) {
      const planned = overlay.plan(world.shop, () => desired);
      const context = { send: (write: () => Promise<void>) => write(), signal: new AbortController().signal };
      await world.during(planned.apply(context as unknown as ExtensionWriteContext, { onlyWidens: false }));
    }
    const stored = world.get(path) as KubeObject & { spec: unknown };
    assert.deepEqual([stored.metadata.labels, stored.spec, writes], [labels, SPEC, ['update']]);
    await world.during(overlay.stop());
  });
});
