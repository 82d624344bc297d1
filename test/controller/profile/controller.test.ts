import assert from 'node:assert/strict';
import type { ProfileStatus, SegmentationProfile } from '../../../src/api/profile.ts';
import {
  NETWORK_POLICIES,
  projectNamespace,
  projectProfile,
  PROFILES,
} from '../../../src/cluster-state/items.ts';
import { ProfileController } from '../../../src/controller/profile/controller.ts';
import { Records } from '../../../src/controller/records.ts';
import type { NamespaceResult } from '../../../src/controller/results.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { Server } from '../../simulation/server/server.ts';
import { answerOf } from '../../simulation/server/answer.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const PATH = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';

describe('profile controller', () => {
  let server: Server;
  let clusterState: ClusterState;
  let records: Records;
  let controller: ProfileController;
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
  const reconcile = () => controller.reconcile('shop', new AbortController().signal);

  beforeEach(() => {
    const clock = new VirtualClock();
    server = new Server(() => 0);
    const transport: Transport = {
      request: async <T>(request: Request) => answerOf(request, server.handle(request, 'operator'), 0) as T,
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    clusterState = new ClusterState([]);
    records = new Records();
    controller = new ProfileController({
      clusterState,
      records,
      admission: { report: () => undefined, isJudged: true },
      clock,
      profiles: new Resource(transport, PROFILES),
      policies: new Resource(transport, NETWORK_POLICIES),
      observer: { onStatus: () => {}, onGone: () => {} },
    });
    create();
    clusterState.profiles.upsert(projectProfile(stored()));
  });

  describe('with a profile that is deleted under Retain', () => {
    const result: NamespaceResult = {
      generation: 2,
      state: 'enforced',
      desired: 1,
      applied: 1,
      unresolved: [],
      conflicts: [],
    };
    const isGone = async () => {
      await reconcile();
      return server.handle({ method: 'GET', path: `${PATH}/shop` }, 'user').status === 404;
    };

    beforeEach(() => {
      edit({ spec: { deletionPolicy: 'Retain' } });
      server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
      clusterState.profiles.upsert(projectProfile(stored()));
      const { generation = 0 } = stored().metadata;
      assert.equal(generation, 3);
      const name = 'a';
      clusterState.namespaces.upsert(
        projectNamespace({ metadata: { name, uid: 'n1', resourceVersion: '50', labels: {} } }),
      );
    });

    it('removes the finalizer once each namespace has a result of the last generation', async () => {
      assert.equal(await isGone(), false, 'the namespace has no result');
      records.setResult('shop', 'a', result);
      assert.equal(await isGone(), false, 'the result is of an older generation');
      const failure = { reason: 'InternalError', message: 'etcd', kind: 'retry' } as const;
      records.setResult('shop', 'a', { ...result, generation: 3, state: 'pending', failure });
      assert.equal(await isGone(), false, 'half a plan is carried out');
      records.setResult('shop', 'a', { ...result, generation: 3 });
      assert.equal(await isGone(), true);
    });

    it('keeps the finalizer while a transition policy exists, whatever the namespace waits for', async () => {
      const failure = { reason: 'SourceUnavailable', message: 'nodes', kind: 'waiting' } as const;
      records.setResult('shop', 'a', { ...result, generation: 3, state: 'pending', failure });
      const path = '/apis/networking.k8s.io/v1/namespaces/a/networkpolicies';
      const labels = {
        'app.kubernetes.io/managed-by': 'segmentation-operator',
        'segmentation.dev/profile': 'shop',
        'segmentation.dev/role': 'transition',
      };
      const cover = {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'shop.transition.1', labels },
        spec: { podSelector: {}, ingress: [{}] },
      };
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } };
      server.handle({ method: 'POST', path: '/api/v1/namespaces', body: namespace }, 'user');
      assert.equal(server.handle({ method: 'POST', path, body: cover }, 'operator').status, 201);
      assert.equal(await isGone(), false);
      server.handle({ method: 'DELETE', path: `${path}/shop.transition.1` }, 'operator');
      assert.equal(await isGone(), true);
    });

    it('keeps the finalizer while a namespace that is no longer selected has policies', async () => {
      records.setResult('shop', 'a', { ...result, generation: 3 });
      clusterState.namespaces.upsert(
        projectNamespace({
          metadata: {
            name: 'left',
            uid: 'n2',
            resourceVersion: '51',
            deletionTimestamp: '2026-01-01T00:00:00Z',
          },
        }),
      );
      const labels = {
        'app.kubernetes.io/managed-by': 'segmentation-operator',
        'segmentation.dev/profile': 'shop',
      };
      const metadata = {
        name: 'shop.transition.1',
        namespace: 'left',
        uid: 'p1',
        resourceVersion: '52',
        labels,
      };
      clusterState.policies.upsert(clusterState.policies.project({ metadata, spec: { podSelector: {} } }));
      assert.equal(await isGone(), false);
      clusterState.policies.forget('left/shop.transition.1', 'p1');
      assert.equal(await isGone(), true);
    });

    it('removes the finalizer although a peer is unresolved, which others have to mend', async () => {
      const failure = { reason: 'PeersUnresolved', message: 'no such Service', kind: 'waiting' } as const;
      records.setResult('shop', 'a', { ...result, generation: 3, state: 'pending', failure });
      assert.equal(await isGone(), true);
    });
  });

  it('writes the status of a profile as it was judged', async () => {
    assert.equal((await reconcile()).kind, 'done');
    assert.equal(stored().status?.observedGeneration, 1);
  });

  it('does not write a status over an edit that the watch has not reported', async () => {
    edit({ spec: { mode: 'Audit' } });
    assert.equal((await reconcile()).kind, 'retry');
    assert.equal(stored().status, undefined);
    assert.equal(clusterState.profile('shop')?.spec.mode, 'Enforce');
  });

  it('does not write a status over that of another replica', async () => {
    const status: ProfileStatus = { observedGeneration: 1 };
    server.handle({ method: 'PATCH', path: `${PATH}/shop/status`, body: { status } }, 'another');
    assert.equal((await reconcile()).kind, 'retry');
    assert.deepEqual(stored().status, status);
  });

  it('does not write a status to another profile of the same name', async () => {
    edit({ metadata: { finalizers: null } });
    server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
    create();
    assert.equal((await reconcile()).kind, 'retry');
    assert.equal(stored().status, undefined);
  });
});
