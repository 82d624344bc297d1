/** Objects that an earlier process has left, against the model of the API server in virtual time. */
import assert from 'node:assert/strict';
import { API_VERSION, KIND, LABEL_MANAGED_BY, MANAGER } from '../../../src/api/names.ts';
import { MeshOverlay } from '../../../src/controller/mesh/overlay.ts';
import { projectProfile } from '../../../src/cluster-state/items.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { profile } from '../../policy/fixture.ts';
import { AUTHORIZATION, MINUTE, World } from './world.ts';

const OWNER = { apiVersion: API_VERSION, kind: KIND, name: 'p', uid: 'uid-p', controller: true };

/** True if the overlay has read its objects though no profile asks for one. */
async function isRestored(world: World, transport: Transport = world.link): Promise<boolean> {
  const overlay = new MeshOverlay(
    { ...world.options, transport, facts: () => undefined },
    { onIntent: () => {}, onDrift: () => {}, onReport: () => {} },
  );
  const { signal } = new AbortController();
  await world.during(overlay.restore(signal));
  await world.scheduler.advance(MINUTE);
  const { isKnown } = overlay;
  await world.during(overlay.stop());
  return isKnown;
}

/** The link of the world, whose first request has another answer. */
function firstAnswering({ link }: World, answer: (request: Request) => Promise<unknown>): Transport {
  let isFirst = true;
  return {
    request: <T>(request: Request) => {
      if (!isFirst) return link.request<T>(request);
      isFirst = false;
      return answer(request) as Promise<T>;
    },
    watch: (request) => link.watch(request),
    close: () => link.close(),
  };
}

describe('overlay of an earlier process', () => {
  for (const [what, metadata] of [
    ['without their labels', { ownerReferences: [OWNER] }],
    ['without their owner', { labels: { [LABEL_MANAGED_BY]: MANAGER } }],
  ] as const)
    it(`is found by objects ${what} among those of others`, async () => {
      const world = new World();
      // More than a page of them.
      for (let i = 0; i < 501; i++)
        world.create(AUTHORIZATION, { metadata: { name: `a${i}` }, spec: { action: 'DENY' } });
      world.create(AUTHORIZATION, { metadata: { name: 'p.ingress', ...metadata }, spec: {} });
      assert.equal(await isRestored(world), true);
    });

  it('is not looked for again among objects of others alone', async () => {
    const world = new World();
    world.create(AUTHORIZATION, { metadata: { name: 'theirs' }, spec: {} });
    assert.equal(await isRestored(world), false);
  });

  it('is found though the first list of its objects is empty by mistake', async () => {
    const world = new World();
    const metadata = { name: 'p.ingress', ownerReferences: [OWNER] };
    world.create(AUTHORIZATION, { metadata, spec: {} });
    const empty = { metadata: { resourceVersion: '1' }, items: [] };
    assert.equal(
      await isRestored(
        world,
        firstAnswering(world, () => Promise.resolve(empty)),
      ),
      true,
    );
  });

  it('is read all the same if the first look at its objects fails', async () => {
    const world = new World();
    const transport = firstAnswering(world, ({ method, path }) =>
      Promise.reject(new ApiError({ status: 503, reason: 'ServiceUnavailable', method, path, message: '' })),
    );
    assert.equal(await isRestored(world, transport), true);
  });

  it('is reported once its objects are known, also for profiles that no namespace enforces yet', async () => {
    const world = new World();
    world.create(AUTHORIZATION, { metadata: { name: 'p.ingress', ownerReferences: [OWNER] }, spec: {} });
    const asking = profile({ mesh: { authorization: 'Enforce', mtls: 'Disabled' } });
    const other = { ...profile(), metadata: { name: 'other', uid: 'uid-2' } };
    for (const each of [asking, other])
      world.clusterState.profiles.upsert(
        projectProfile({ ...each, metadata: { ...each.metadata, resourceVersion: '1' } }),
      );
    const reported = new Set<string>();
    const overlay = new MeshOverlay(
      { ...world.options, facts: () => undefined },
      { onIntent: () => {}, onDrift: () => {}, onReport: (name) => reported.add(name) },
    );
    await world.during(overlay.restore(new AbortController().signal));
    await world.scheduler.advance(MINUTE);
    assert.deepEqual([...reported], [asking.metadata.name]);
    await world.during(overlay.stop());
  });
});
