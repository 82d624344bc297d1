import assert from 'node:assert/strict';
import type { ProfileStatus, SegmentationProfile } from '../../src/api/profile.ts';
import { NETWORK_POLICIES, projectProfile, PROFILES } from '../../src/controller/observed.ts';
import { type ProfileReconciler, reconcileProfile } from '../../src/controller/profile.ts';
import { Results } from '../../src/controller/results.ts';
import { World } from '../../src/controller/world.ts';
import { Resource } from '../../src/kube/resource.ts';
import type { Request, Transport } from '../../src/kube/transport.ts';
import { Server } from '../simulation/server/server.ts';
import { answerOf } from '../simulation/server/answer.ts';
import { VirtualClock } from './virtual-clock.ts';

const PATH = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';

describe('a status', () => {
  let server: Server;
  let reconciler: ProfileReconciler;
  const stored = () =>
    server.handle({ method: 'GET', path: `${PATH}/shop` }, 'user').body as SegmentationProfile;
  const edit = (change: object) =>
    server.handle({ method: 'PATCH', path: `${PATH}/shop`, body: change }, 'user');
  const create = () =>
    server.handle(
      {
        method: 'POST',
        path: PATH,
        body: {
          apiVersion: 'segmentation.dev/v1alpha1',
          kind: 'SegmentationProfile',
          metadata: { name: 'shop', finalizers: ['segmentation.dev/finalizer'] },
          spec: { namespaceSelector: {} },
        },
      },
      'user',
    );
  const reconcile = () => reconcileProfile('shop', reconciler, new AbortController().signal);

  beforeEach(() => {
    const clock = new VirtualClock();
    server = new Server(() => 0);
    const transport: Transport = {
      request: async <T>(request: Request) => answerOf(request, server.handle(request, 'operator'), 0) as T,
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    reconciler = {
      world: new World([]),
      results: new Results(() => {}),
      admission: { report: () => undefined, isJudged: true },
      clock,
      profiles: new Resource(transport, PROFILES),
      policies: new Resource(transport, NETWORK_POLICIES),
      reported: new Set(),
      onStatus: () => {},
      onGone: () => {},
      onJudged: () => {},
    };
    create();
    reconciler.world.profiles.upsert(projectProfile(stored()));
  });

  it('is written where nothing has changed', async () => {
    assert.equal((await reconcile()).kind, 'done');
    assert.equal(stored().status?.observedGeneration, 1);
  });

  it('is not written over an edit that was not heard of, which the answer would hide', async () => {
    edit({ spec: { mode: 'Audit' } });
    assert.equal((await reconcile()).kind, 'retry');
    assert.equal(stored().status, undefined);
    assert.equal(reconciler.world.profile('shop')?.spec.mode, 'Enforce');
  });

  it('is not written over what another replica has reported', async () => {
    const status: ProfileStatus = { observedGeneration: 1 };
    server.handle({ method: 'PATCH', path: `${PATH}/shop/status`, body: { status } }, 'another');
    assert.equal((await reconcile()).kind, 'retry');
    assert.deepEqual(stored().status, status);
  });

  it('is not written to another profile of the same name', async () => {
    edit({ metadata: { finalizers: null } });
    server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
    create();
    assert.equal((await reconcile()).kind, 'retry');
    assert.equal(stored().status, undefined);
  });
});
