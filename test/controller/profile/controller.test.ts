import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { ProfileStatus, SegmentationProfile } from '../../../src/api/profile.ts';
import {
  NETWORK_POLICIES,
  projectNamespace,
  projectProfile,
  PROFILES,
} from '../../../src/cluster-state/items.ts';
import type { Capability } from '../../../src/controller/capability.ts';
import { GATE_ENDING } from '../../../src/controller/namespace/report.ts';
import { ProfileController } from '../../../src/controller/profile/controller.ts';
import { Records } from '../../../src/controller/records.ts';
import type { NamespaceResult } from '../../../src/controller/results.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { Server } from '../../simulation/server/server.ts';
import { answerOf } from '../../simulation/server/answer.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const PATH = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';

describe('profile controller', () => {
  let server: Server;
  let clusterState: ClusterState;
  let records: Records;
  let controller: ProfileController;
  let clock: VirtualClock;
  /** False as long as a capability has objects of the profile. */
  let hasEnded: boolean;
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
    clock = new VirtualClock();
    hasEnded = true;
    server = new Server(() => 0);
    const transport: Transport = {
      request: async <T>(request: Request) => answerOf(request, server.handle(request, 'operator'), 0) as T,
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    clusterState = new ClusterState(['left']);
    records = new Records();
    controller = new ProfileController({
      capabilities: [
        {
          isJudged: () => true,
          report: () => undefined,
          isReleased: () => hasEnded,
        } satisfies Partial<Capability> as unknown as Capability,
      ],
      clusterState,
      records,
      admission: { report: () => undefined, isJudged: true },
      workloads: { findings: () => undefined },
      pods: { prefetch: () => {} },
      clock,
      profiles: new Resource(transport, PROFILES),
      policies: new Resource(transport, NETWORK_POLICIES),
      observer: { onStatus: () => {}, onGone: () => {} },
    });
    create();
    clusterState.profiles.upsert(projectProfile(stored()));
  });

  for (const [what, isDone] of [
    ['adds its finalizer', () => stored().metadata.finalizers?.length === 1],
    ['removes its finalizer', () => stored().metadata === undefined],
  ] as const)
    it(`${what} at the third attempt though the event of a change of the profile is lost`, async () => {
      if (what === 'adds its finalizer') edit({ metadata: { finalizers: null } });
      else server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
      clusterState.profiles.upsert(projectProfile(stored()));
      edit({ metadata: { annotations: { changed: 'by somebody' } } });
      for (const kind of ['retry', 'retry', 'done']) {
        assert.equal(isDone(), false);
        assert.equal((await reconcile()).kind, kind);
      }
      assert.equal(isDone(), true);
    });

  it('looks again at a profile that is being deleted as long as a capability has objects of it', async () => {
    hasEnded = false;
    server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
    clusterState.profiles.upsert(projectProfile(stored()));
    assert.deepEqual(await reconcile(), { kind: 'again', afterMs: 5_000 });
    hasEnded = true;
    assert.deepEqual(await reconcile(), { kind: 'done' });
    assert.equal(server.handle({ method: 'GET', path: `${PATH}/shop` }, 'user').status, 404);
  });

  it('looks again at a profile that is being deleted as long as a live list has policies of it that no event tells of', async () => {
    const path = '/apis/networking.k8s.io/v1/namespaces/a/networkpolicies';
    const labels = {
      'app.kubernetes.io/managed-by': 'segmentation-operator',
      'segmentation.dev/profile': 'shop',
    };
    const policy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'shop.default-deny', labels },
      spec: { podSelector: {} },
    };
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' } };
    server.handle({ method: 'POST', path: '/api/v1/namespaces', body: namespace }, 'user');
    assert.equal(server.handle({ method: 'POST', path, body: policy }, 'operator').status, 201);
    server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
    clusterState.profiles.upsert(projectProfile(stored()));
    assert.deepEqual(await reconcile(), { kind: 'again', afterMs: 5_000 });
    server.handle({ method: 'DELETE', path: `${path}/shop.default-deny` }, 'operator');
    assert.deepEqual(await reconcile(), { kind: 'done' });
    assert.equal(server.handle({ method: 'GET', path: `${PATH}/shop` }, 'user').status, 404);
  });

  describe('with a profile that is deleted under Retain', () => {
    const result: NamespaceResult = {
      generation: 2,
      state: 'enforced',
      desired: 1,
      applied: 1,
      unresolved: [],
      connections: [],
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
      records.setResult('shop', 'a', { ...result, generation: 3, state: 'pending', failure: GATE_ENDING });
      assert.equal(
        await isGone(),
        false,
        'policies that it no longer wants stay for the gate of another profile',
      );
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
        projectNamespace({ metadata: { name: 'left', uid: 'n2', resourceVersion: '51' } }),
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

  it('counts no namespace of a deleted profile as pending from which its policies are removed', async () => {
    for (const name of ['a', 'b'])
      clusterState.namespaces.upsert(
        projectNamespace({ metadata: { name, uid: name, resourceVersion: '50', labels: {} } }),
      );
    const labels = {
      'app.kubernetes.io/managed-by': 'segmentation-operator',
      'segmentation.dev/profile': 'shop',
    };
    const metadata = { name: 'shop.default-deny', namespace: 'b', uid: 'p', resourceVersion: '51', labels };
    clusterState.policies.upsert(clusterState.policies.project({ metadata, spec: { podSelector: {} } }));
    server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
    clusterState.profiles.upsert(projectProfile(stored()));
    await reconcile();
    const { namespaces, conditions = [] } = stored().status ?? {};
    assert.equal(namespaces?.pending, 0);
    assert.deepEqual(
      conditions.slice(0, 2).map(({ message }) => message),
      ['the profile is being deleted; 1 namespace to go', 'policies are being removed from 1 namespace'],
    );
  });

  describe('with a namespace that is being deleted and has policies of the profile', () => {
    const POLICIES = '/apis/networking.k8s.io/v1/namespaces/stuck/networkpolicies';
    const DENY = `${POLICIES}/shop.default-deny`;
    const isGone = () => server.handle({ method: 'GET', path: `${PATH}/shop` }, 'user').status === 404;
    const deleteProfile = () => {
      server.handle({ method: 'DELETE', path: `${PATH}/shop` }, 'user');
      clusterState.profiles.upsert(projectProfile(stored()));
    };
    const condition = (type: string) => stored().status?.conditions?.find((each) => each.type === type);

    beforeEach(() => {
      const user = (method: 'POST' | 'DELETE', path: string, body?: object) =>
        assert.ok(server.handle({ method, path, ...(body && { body }) }, 'user').status < 300, path);
      user('POST', '/api/v1/namespaces', { metadata: { name: 'stuck' } });
      const { uid = '' } = stored().metadata;
      const owner = {
        apiVersion: 'segmentation.dev/v1alpha1',
        kind: 'SegmentationProfile',
        name: 'shop',
        uid,
      };
      const labels = {
        'app.kubernetes.io/managed-by': 'segmentation-operator',
        'segmentation.dev/profile': 'shop',
        'segmentation.dev/role': 'default-deny',
      };
      user('POST', POLICIES, {
        metadata: { name: 'shop.default-deny', labels, ownerReferences: [owner] },
        spec: { podSelector: {} },
      });
      const raw = server.handle({ method: 'GET', path: DENY }, 'user').body;
      clusterState.policies.upsert(clusterState.policies.project(raw));
      const deletionTimestamp = new Date(clock.now()).toISOString();
      const message =
        'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource';
      const conditions = [
        { type: 'NamespaceFinalizersRemaining', status: 'True', reason: 'SomeFinalizersRemain', message },
        {
          type: 'NamespaceDeletionContentFailure',
          status: 'False',
          reason: 'ContentDeleted',
          message: 'fine',
        },
      ];
      const metadata = { name: 'stuck', uid: 'n1', resourceVersion: '50', deletionTimestamp };
      clusterState.namespaces.upsert(projectNamespace({ metadata, status: { conditions } }));
    });

    it('is Ready, names the namespace, and is Stalled with its obstacle after five minutes', async () => {
      const outcome = await reconcile();
      assert.equal(condition('Ready')?.status, 'True');
      assert.match(
        condition('Ready')?.message ?? '',
        /namespace stuck is being deleted, and keeps its policies/,
      );
      assert.equal(condition('Reconciling')?.status, 'False');
      assert.equal(condition('Stalled')?.status, 'False');
      assert.ok(outcome.kind === 'again' && outcome.afterMs > 0 && outcome.afterMs <= 300_000);
      await clock.advance(outcome.afterMs);
      clusterState.profiles.upsert(projectProfile(stored()));
      assert.equal((await reconcile()).kind, 'done');
      const { status, reason, message = '' } = condition('Stalled') ?? {};
      assert.deepEqual([status, reason], ['True', 'NamespaceTerminating']);
      assert.match(message, /stuck: .* example.com\/hold in 1 resource; remove what holds it up/);
      assert.doesNotMatch(message, /fine/);
      assert.equal(condition('Ready')?.status, 'True');
    });

    it('removes the finalizer of a deleted profile', async () => {
      deleteProfile();
      await reconcile();
      assert.ok(isGone());
    });

    it('takes the profile off the retained policies there before it removes the finalizer', async () => {
      edit({ spec: { deletionPolicy: 'Retain' } });
      deleteProfile();
      await reconcile();
      assert.ok(isGone());
      const { metadata } = server.handle({ method: 'GET', path: DENY }, 'user').body as KubeObject;
      assert.deepEqual(metadata.ownerReferences ?? [], []);
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

  it('reads a profile live whose status is refused twice, as the event of an edit is lost', async () => {
    edit({ spec: { mode: 'Audit' } });
    assert.equal((await reconcile()).kind, 'retry');
    assert.equal((await reconcile()).kind, 'retry');
    assert.equal(clusterState.profile('shop')?.spec.mode, 'Audit');
    assert.equal((await reconcile()).kind, 'done');
    assert.equal(stored().status?.observedGeneration, 2);
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
