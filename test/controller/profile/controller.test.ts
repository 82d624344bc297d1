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

describe('a profile', () => {
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

  describe('that is deleted under Retain', () => {
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

    it('goes once each namespace has what it asked for last', async () => {
      assert.equal(await isGone(), false, 'the namespace was not looked at');
      records.setResult('shop', 'a', result);
      assert.equal(await isGone(), false, 'it was by an older version');
      const failure = { reason: 'InternalError', message: 'etcd', kind: 'retry' } as const;
      records.setResult('shop', 'a', { ...result, generation: 3, state: 'pending', failure });
      assert.equal(await isGone(), false, 'and half a plan is carried out');
      records.setResult('shop', 'a', { ...result, generation: 3 });
      assert.equal(await isGone(), true);
    });

    it('stays while a short-lived policy of it stands, whatever the namespace waits for', async () => {
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

    it('goes once nothing of it is left where it does not select the namespace any more', async () => {
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

    it('does not wait for what somebody else has to do', async () => {
      const failure = { reason: 'PeersUnresolved', message: 'no such Service', kind: 'waiting' } as const;
      records.setResult('shop', 'a', { ...result, generation: 3, state: 'pending', failure });
      assert.equal(await isGone(), true);
    });
  });

  it('has a status that is written where nothing has changed', async () => {
    assert.equal((await reconcile()).kind, 'done');
    assert.equal(stored().status?.observedGeneration, 1);
  });

  it('has a status that is not written over an edit that was not heard of, which the answer would hide', async () => {
    edit({ spec: { mode: 'Audit' } });
    assert.equal((await reconcile()).kind, 'retry');
    assert.equal(stored().status, undefined);
    assert.equal(clusterState.profile('shop')?.spec.mode, 'Enforce');
  });

  it('has a status that is not written over what another replica has reported', async () => {
    const status: ProfileStatus = { observedGeneration: 1 };
    server.handle({ method: 'PATCH', path: `${PATH}/shop/status`, body: { status } }, 'another');
    assert.equal((await reconcile()).kind, 'retry');
    assert.deepEqual(stored().status, status);
  });

  it('has a status that is not written to another profile of the same name', async () => {
    edit({ metadata: { finalizers: null } });
    server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
    create();
    assert.equal((await reconcile()).kind, 'retry');
    assert.equal(stored().status, undefined);
  });
});
