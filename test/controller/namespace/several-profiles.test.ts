import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { ProfileSpec, SegmentationProfile } from '../../../src/api/profile.ts';
import { LiveConfirmation } from '../../../src/controller/namespace/live-confirmation.ts';
import { NO_SUPPORT } from '../../../src/controller/engine-support.ts';
import { NO_MESH_SUPPORT, NO_OVERLAY } from '../../../src/controller/mesh-support.ts';
import { NO_GUARDS } from '../../../src/controller/guard-support.ts';
import { NamespaceController } from '../../../src/controller/namespace/controller.ts';
import {
  NAMESPACES,
  NETWORK_POLICIES,
  PODS,
  PROFILES,
  projectNamespace,
  projectProfile,
} from '../../../src/cluster-state/items.ts';
import { PodProbe } from '../../../src/controller/namespace/pods.ts';
import { Records } from '../../../src/controller/records.ts';
import { PeerSources } from '../../../src/cluster-state/peer-sources/sources.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { CLUSTER_DEFAULTS } from '../../../src/options/cluster-defaults.ts';
import { answerOf } from '../../simulation/server/answer.ts';
import { NAMESPACE, NETWORK_POLICY, PROFILE } from '../../simulation/server/kinds.ts';
import { Server } from '../../simulation/server/server.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const POLICIES_PATH = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies';
/** The connection ended before the answer did. */
const LOST = { status: 0, reason: 'Transport', message: 'connection reset' };
/** Nothing is given up. */
const NEVER = new AbortController().signal;
const PROFILE_PATH = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';

/** A namespace `shop` with a pod, and profiles, in the model of the API server. */
describe('namespace controller with several profiles', () => {
  let server: Server;
  let clusterState: ClusterState;
  let records: Records;
  let controller: NamespaceController;
  /** True while an admission gate looks for every default-deny. */
  let isGated: boolean;
  /** Called before the operator's request is carried out. */
  let meanwhile: (request: Request) => void;
  /** Called when the overlay of the mesh may lose what it allows. */
  let narrow: () => void;
  /** True while the overlay of the mesh waits for something, and may have writes later. */
  let isWaiting: boolean;

  const send = (method: 'POST' | 'PATCH', path: string, body: object) => {
    const { status } = server.handle({ method, path, body }, 'user');
    assert.ok(status < 300, `${method} ${path}: ${status}`);
  };
  const create = (name: string, spec: Partial<ProfileSpec>, finalizers = ['segmentation.dev/finalizer']) =>
    send('POST', PROFILE_PATH, {
      apiVersion: 'segmentation.dev/v1alpha1',
      kind: 'SegmentationProfile',
      metadata: { name, finalizers },
      spec: { namespaceSelector: {}, baseline: { dns: 'Deny', admissionWebhooks: 'Deny' }, ...spec },
    });
  const edit = (name: string, spec: Partial<ProfileSpec>) =>
    send('PATCH', `${PROFILE_PATH}/${name}`, { spec });
  const policies = () =>
    (server.storage.snapshot(NETWORK_POLICY) ?? []).map(([, { metadata }]) => metadata.name);

  /** Lets the caches know all that there is, or only those profiles. */
  const hear = (...profiles: string[]) => {
    for (const each of server.storage.values(NAMESPACE))
      clusterState.namespaces.upsert(projectNamespace(each));
    for (const each of server.storage.values(NETWORK_POLICY))
      clusterState.policies.upsert(clusterState.policies.project(each));
    const known = [...clusterState.policies.byNamespace('shop')];
    for (const { key, uid } of known)
      if (server.storage.get(NETWORK_POLICY, key) === undefined) clusterState.policies.forget(key, uid);
    for (const each of server.storage.values(PROFILE))
      if (profiles.length === 0 || profiles.includes(each.metadata.name))
        clusterState.profiles.upsert(projectProfile(each));
  };
  const reconcile = () => controller.reconcile('shop', NEVER);

  /** A new process of the operator, which knows nothing yet. */
  const start = () => {
    const clock = new VirtualClock();
    const transport: Transport = {
      request: async <T>(request: Request) => {
        meanwhile(request);
        return answerOf(request, server.handle(request, 'operator'), 0) as T;
      },
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    const options = { transport, configuration: CLUSTER_DEFAULTS, clock, random: () => 0.5 };
    clusterState = new ClusterState([]);
    records = new Records();
    const resources = {
      namespaces: new Resource<KubeObject>(transport, NAMESPACES),
      profiles: new Resource<SegmentationProfile>(transport, PROFILES),
      policies: new Resource<NetworkPolicy>(transport, NETWORK_POLICIES),
    };
    controller = new NamespaceController({
      ...resources,
      clusterState,
      records,
      additions: [],
      guard: NO_GUARDS,
      clock,
      sources: new PeerSources(
        {
          relistMs: 0,
          engine: NO_SUPPORT,
          mesh: NO_MESH_SUPPORT,
          accounts: { facts: () => undefined, failure: undefined, need: () => {}, release: () => {} },
          ...options,
          onChange: () => {},
          onError: () => {},
        },
        new AbortController().signal,
      ),
      admission: { holds: () => isGated },
      engine: NO_SUPPORT,
      mesh: {
        ...NO_MESH_SUPPORT,
        plan: () => ({
          ...NO_OVERLAY,
          isEmpty: !isWaiting,
          apply: async (_, { onlyWidens }) => {
            if (!onlyWidens) narrow();
          },
        }),
      },
      confirmation: new LiveConfirmation({ ...resources, clusterState, records }),
      pods: new PodProbe(new Resource(transport, PODS), clock),
      onDrift: () => {},
      observer: { onWrite: () => {}, onEnforced: () => {} },
    });
  };

  beforeEach(() => {
    server = new Server(() => 0);
    meanwhile = () => {};
    narrow = () => {};
    isWaiting = false;
    isGated = false;
    start();
    send('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } });
    send('POST', '/api/v1/namespaces/shop/pods', { metadata: { name: 'web' }, spec: {} });
  });

  it('looks again at an unresolved peer only after writes, however long the overlay of the mesh waits', async () => {
    create('p', {
      isolation: ['Ingress', 'Egress'],
      egress: [{ name: 'names', to: [{ fqdn: { names: ['api.example.com'] } }] }],
    });
    hear();
    isWaiting = true;
    assert.equal((await reconcile()).kind, 'again');
    assert.equal(policies().length, 1);
    hear();
    assert.equal((await reconcile()).kind, 'done');
  });

  it('does not open a namespace that an unreported profile isolates', async () => {
    create('old', { isolation: ['Ingress'] });
    hear();
    await reconcile();
    edit('old', { mode: 'Audit' });
    create('new', { isolation: ['Ingress'] });
    hear('old');
    assert.equal((await reconcile()).kind, 'again');
    assert.deepEqual(policies(), ['old.default-deny']);
    await reconcile();
    assert.deepEqual(policies(), ['new.default-deny']);
  });

  it('changes nothing while a profile lacks the finalizer, as it may take over what another one leaves', async () => {
    create('old', { isolation: ['Ingress'] });
    hear();
    await reconcile();
    edit('old', { mode: 'Audit' });
    create('new', { isolation: ['Ingress'] }, []);
    hear();
    await reconcile();
    assert.deepEqual(policies(), ['old.default-deny']);
    assert.equal(records.resultsOf('new').get('shop')?.failure?.reason, 'Accepting');
    send('PATCH', `${PROFILE_PATH}/new`, { metadata: { finalizers: ['segmentation.dev/finalizer'] } });
    hear();
    await reconcile();
    assert.deepEqual(policies(), ['new.default-deny']);
  });

  describe('while somebody deletes a policy that stays, as a plan deletes another one', () => {
    const near: Partial<ProfileSpec> = {
      isolation: ['Egress'],
      egress: [{ name: 'near', to: [{ namespaces: ['shop'] }] }],
    };
    /** Deletes the policy when the first write that isolates differently has been sent; its event comes at once. */
    const deleteAsPlanBegins = () => {
      meanwhile = ({ method }) => {
        if (method !== 'DELETE' && method !== 'PUT') return;
        meanwhile = () => {};
        server.handle({ method: 'DELETE', path: `${POLICIES_PATH}/stays.egress` }, 'user');
        records.namespace('shop').keepEvent('stays.egress', undefined);
      };
    };

    beforeEach(async () => {
      create('stays', near);
      create('leaves', { ...near, ingress: [{ name: 'near', from: [{ namespaces: ['shop'] }] }] });
      hear();
      await reconcile();
      hear();
    });

    it('does not cut what both policies allow', async () => {
      edit('leaves', { isolation: ['Ingress'] });
      hear();
      deleteAsPlanBegins();
      assert.equal((await reconcile()).kind, 'again');
      assert.ok(policies().includes('leaves.egress'), policies().join());
      hear();
      assert.equal((await reconcile()).kind, 'done');
      assert.deepEqual(policies(), [
        'leaves.default-deny',
        'leaves.ingress',
        'stays.default-deny',
        'stays.egress',
      ]);
    });

    it('goes on with the fourth plan in a row, so that nobody can keep the namespace from being enforced', async () => {
      edit('leaves', { mode: 'Audit' });
      hear();
      const outcomes = [];
      for (let attempt = 0; attempt < 4; attempt += 1) {
        meanwhile = ({ method }) => {
          if (method === 'GET') records.namespace('shop').keepEvent('other', '1');
        };
        outcomes.push((await reconcile()).kind);
        meanwhile = () => {};
      }
      assert.deepEqual(outcomes, ['again', 'again', 'again', 'done']);
      assert.deepEqual(policies(), ['stays.default-deny', 'stays.egress']);
    });
  });

  it('reads the policies live after a deletion whose answer was lost, even if the cache has none to delete', async () => {
    const web = {
      name: 'web',
      podSelector: { matchLabels: { app: 'web' } },
      from: [{ namespaceSelector: {} }],
    };
    const near = { name: 'near', from: [{ podSelector: {} }] };
    create('shop', { isolation: ['Ingress'], ingress: [web, near] });
    hear();
    meanwhile = ({ method }) => {
      if (method === 'DELETE') throw new ApiError({ ...LOST, method, path: POLICIES_PATH });
    };
    assert.equal((await reconcile()).kind, 'retry');
    const covers = () => policies().filter((name) => name.includes('transition'));
    assert.equal(covers().length, 1);
    const cover = [...clusterState.policies.byNamespace('shop')].find(({ name }) => name === covers()[0]);
    assert.ok(cover !== undefined);
    // An event was lost, or has not come yet.
    clusterState.policies.forget(cover.key, cover.uid);
    meanwhile = () => {};
    assert.deepEqual(await reconcile(), { kind: 'done' });
    assert.deepEqual(covers(), []);
  });

  /** Deletes a profile, whose policies stay. */
  const retire = (name: string) => {
    server.handle({ method: 'DELETE', path: `${PROFILE_PATH}/${name}` }, 'user');
    send('PATCH', `${PROFILE_PATH}/${name}`, { metadata: { finalizers: null } });
  };
  const kept: Partial<ProfileSpec> = { isolation: ['Ingress'], deletionPolicy: 'Retain' };

  it('keeps the retained policies of a profile that is created again while others are enforced', async () => {
    create('kept', kept);
    hear();
    await reconcile();
    const { uid = '' } = clusterState.profile('kept')?.metadata ?? {};
    retire('kept');
    clusterState.profiles.forget('kept', uid);
    create('other', {
      isolation: ['Ingress', 'Egress'],
      egress: [{ name: 'any', to: [{ entity: 'Any' }] }],
    });
    create('kept', kept);
    hear('other');
    meanwhile = ({ path }) => {
      if (path.endsWith('/pods')) hear();
    };
    assert.equal((await reconcile()).kind, 'again');
    assert.deepEqual(policies(), ['kept.default-deny']);
    await reconcile();
    assert.deepEqual(policies(), ['kept.default-deny', 'other.default-deny', 'other.egress']);
  });

  it('reads policies live after a lost answer, though the cached ones are those that are desired', async () => {
    const rule = (app: string) => ({
      name: app,
      podSelector: { matchLabels: { app } },
      from: [{ namespaces: ['shop'] }],
    });
    create('p', { isolation: ['Ingress'], ingress: [rule('a'), rule('b')] });
    hear();
    const isCover = ({ method, path, body }: Request) =>
      method === 'POST'
        ? (body as NetworkPolicy).metadata.name.includes('.transition.')
        : path.includes('.transition.');
    const lose = ({ method, path }: Request) => {
      throw new ApiError({ ...LOST, method, path });
    };
    meanwhile = (request) => {
      if (request.method !== 'POST' || !isCover(request)) return;
      assert.equal(server.handle(request, 'operator').status, 201);
      lose(request);
    };
    assert.equal((await reconcile()).kind, 'retry');
    meanwhile = (request) => isCover(request) && lose(request);
    assert.equal((await reconcile()).kind, 'retry');
    meanwhile = () => {};
    assert.equal((await reconcile()).kind, 'done');
    assert.deepEqual(policies(), ['p.default-deny', 'p.ingress.a', 'p.ingress.b']);
  });

  it('removes the policies of all profiles that no longer select the namespace, also of an unreported one', async () => {
    const namespaceSelector = { matchLabels: { team: 'a' } };
    const label = (team: string | null) =>
      send('PATCH', '/api/v1/namespaces/shop', { metadata: { labels: { team } } });
    label('a');
    create('heard-of', { namespaceSelector, isolation: ['Egress'] });
    create('unheard-of', { namespaceSelector, isolation: ['Egress'] });
    hear();
    await reconcile();
    label(null);
    start();
    hear('heard-of');
    assert.equal((await reconcile()).kind, 'again');
    assert.deepEqual(policies(), ['heard-of.default-deny', 'unheard-of.default-deny']);
    await reconcile();
    assert.deepEqual(policies(), []);
  });

  it('writes nothing for a profile that is deleted while the namespace is read', async () => {
    create('going', { ...kept, ingress: [{ name: 'any', from: [{ entity: 'Any' }] }] });
    hear();
    await reconcile();
    for (const { key } of clusterState.policies.values())
      server.handle(
        { method: 'DELETE', path: `${POLICIES_PATH}/${key.slice(key.indexOf('/') + 1)}` },
        'user',
      );
    hear();
    const { uid = '' } = clusterState.profile('going')?.metadata ?? {};
    let reads = 0;
    meanwhile = ({ method, path }) => {
      assert.equal(method, 'GET', path);
      reads += 1;
      if (path.endsWith('/pods')) clusterState.profiles.forget('going', uid);
    };
    assert.equal((await reconcile()).kind, 'again');
    assert.ok(reads > 0);
  });

  const waiting: Partial<ProfileSpec> = {
    isolation: ['Ingress'],
    ingress: [
      { name: 'tenant', from: [{ sameNamespaceLabels: ['example.com/tenant'] }] },
      { name: 'clusterState', from: [{ ipBlock: { cidr: '203.0.113.0/24' } }] },
    ],
  };

  it('postpones the isolation of a profile that would cut off an unresolved peer', async () => {
    create('waiting', waiting);
    hear();
    await reconcile();
    assert.deepEqual(policies(), []);
    assert.equal(records.resultsOf('waiting').get('shop')?.failure?.reason, 'PeersUnresolved');
  });

  it('postpones nothing if another profile isolates the direction and would cut what the first one allows', async () => {
    create('waiting', waiting);
    create('other', { isolation: ['Ingress'] });
    hear();
    await reconcile();
    assert.deepEqual(policies(), ['other.default-deny', 'waiting.default-deny', 'waiting.ingress']);
  });

  /** More than the API server takes in one policy. */
  const tooLarge: Partial<ProfileSpec> = {
    isolation: ['Egress'],
    egress: Array.from({ length: 256 }, (_, high) => ({
      name: `r${high}`,
      to: Array.from({ length: 160 }, (_, low) => ({ ipBlock: { cidr: `10.${high}.${low}.0/24` } })),
    })),
  };

  it('retains the policies of a deleted profile that is too large as they are', async () => {
    create('large', { isolation: ['Egress'] });
    hear();
    await reconcile();
    edit('large', { ...tooLarge, deletionPolicy: 'Retain' });
    hear();
    await reconcile();
    const owners = () =>
      [...server.storage.values(NETWORK_POLICY)].map(({ metadata }) => metadata.ownerReferences?.length ?? 0);
    assert.deepEqual([policies(), owners()], [['large.default-deny'], [1]]);
    server.handle({ method: 'DELETE', path: `${PROFILE_PATH}/large` }, 'user');
    hear();
    await reconcile();
    assert.deepEqual([policies(), owners()], [['large.default-deny'], [0]]);
  });

  it('postpones only the direction that no other profile isolates', async () => {
    create('waiting', waiting);
    create('other', { isolation: ['Egress'] });
    hear();
    await reconcile();
    assert.deepEqual(policies(), ['other.default-deny']);
  });

  /** Waits for the label in Ingress, and has a rule in Egress. */
  const halfWaiting: Partial<ProfileSpec> = {
    ...waiting,
    isolation: ['Ingress', 'Egress'],
    egress: [{ name: 'clusterState', to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }],
  };
  const standing = (name: string) =>
    server.storage.get(NETWORK_POLICY, `shop/${name}`) as unknown as NetworkPolicy | undefined;
  const deny = (name: string) => standing(name)?.spec.policyTypes;
  const role = (name: string) => standing(name)?.metadata.labels?.['segmentation.dev/role'];

  it('isolates one direction for a profile that has postponed the other', async () => {
    create('waiting', halfWaiting);
    create('other', { isolation: ['Egress'] });
    hear();
    await reconcile();
    assert.deepEqual(policies(), ['other.default-deny', 'waiting.default-deny', 'waiting.egress']);
    assert.deepEqual(deny('waiting.default-deny'), ['Egress']);
    // A gate is not to take it for the whole.
    assert.equal(role('waiting.default-deny'), 'partial-deny');
  });

  it('keeps the role of a default-deny that a gate looks for when an edit adds a postponed direction', async () => {
    create('waiting', { isolation: ['Egress'] });
    hear();
    await reconcile();
    edit('waiting', halfWaiting);
    hear();
    await reconcile();
    assert.deepEqual(deny('waiting.default-deny'), ['Egress']);
    assert.equal(role('waiting.default-deny'), 'default-deny');
    assert.equal(records.resultsOf('waiting').get('shop')?.state, 'pending');
  });

  it('does not report a profile with a postponed direction as enforced', async () => {
    create('waiting', halfWaiting);
    hear();
    await reconcile();
    const { state, desired, applied, failure } = records.resultsOf('waiting').get('shop') ?? {};
    assert.deepEqual([state, desired, applied, failure?.kind], ['pending', 3, 1, 'waiting']);
    assert.match(
      failure?.message ?? '',
      /^not isolated yet in Ingress: pods run here, and a rule has a peer/,
    );
  });

  it('isolates the postponed direction once the peer is resolved', async () => {
    create('waiting', halfWaiting);
    hear();
    await reconcile();
    send('PATCH', '/api/v1/namespaces/shop', { metadata: { labels: { 'example.com/tenant': 'red' } } });
    hear();
    await reconcile();
    assert.deepEqual(policies(), ['waiting.default-deny', 'waiting.egress', 'waiting.ingress']);
    assert.deepEqual(deny('waiting.default-deny'), ['Ingress', 'Egress']);
    assert.equal(role('waiting.default-deny'), 'default-deny');
    assert.equal(records.resultsOf('waiting').get('shop')?.state, 'enforced');
  });

  it('remembers only the directions that were isolated', async () => {
    create('waiting', halfWaiting);
    hear();
    await reconcile();
    for (const name of policies())
      server.handle({ method: 'DELETE', path: `${POLICIES_PATH}/${name}` }, 'user');
    hear();
    await reconcile();
    assert.deepEqual(policies(), ['waiting.default-deny', 'waiting.egress']);
    assert.deepEqual(deny('waiting.default-deny'), ['Egress']);
  });

  it('opens a direction that a profile gives up for one that is postponed', async () => {
    create('waiting', { isolation: ['Egress'] });
    hear();
    await reconcile();
    edit('waiting', waiting);
    hear();
    await reconcile();
    assert.deepEqual(policies(), []);
  });

  it('keeps a default-deny that a gate still looks for although its direction is postponed now', async () => {
    create('waiting', { isolation: ['Egress'] });
    hear();
    await reconcile();
    edit('waiting', waiting);
    hear();
    isGated = true;
    await reconcile();
    assert.deepEqual(deny('waiting.default-deny'), ['Egress']);
    isGated = false;
    await reconcile();
    assert.deepEqual(policies(), []);
  });

  it('has a profile under Audit pending while a gate keeps its policies, and audited without them', async () => {
    create('watched', { isolation: ['Ingress'] });
    hear();
    await reconcile();
    edit('watched', { mode: 'Audit' });
    hear();
    isGated = true;
    await reconcile();
    assert.deepEqual(policies(), ['watched.default-deny']);
    const { state, failure } = records.resultsOf('watched').get('shop') ?? {};
    assert.deepEqual([state, failure?.reason], ['pending', 'GateEnding']);
    isGated = false;
    await reconcile();
    assert.deepEqual(policies(), []);
    assert.equal(records.resultsOf('watched').get('shop')?.state, 'audited');
  });

  it('keeps the rules of a direction that opens only once a gate of another profile has ended', async () => {
    const egress = [{ name: 'any', to: [{ entity: 'Any' as const }] }];
    create('editing', { isolation: ['Ingress', 'Egress'], egress });
    create('leaving', { isolation: ['Egress'] });
    hear();
    await reconcile();
    edit('editing', { isolation: ['Ingress'], egress: [] });
    edit('leaving', { mode: 'Audit' });
    hear();
    isGated = true;
    await reconcile();
    assert.deepEqual(policies(), ['editing.default-deny', 'editing.egress', 'leaving.default-deny']);
    assert.equal(records.resultsOf('editing').get('shop')?.failure?.reason, 'GateEnding');
    isGated = false;
    await reconcile();
    assert.deepEqual(policies(), ['editing.default-deny']);
    assert.deepEqual(deny('editing.default-deny'), ['Ingress']);
    assert.equal(records.resultsOf('editing').get('shop')?.state, 'enforced');
  });

  it('narrows no overlay of the mesh while ingress opens only once a gate of another profile has ended', async () => {
    create('editing', { isolation: ['Ingress'] });
    create('leaving', { isolation: ['Ingress'] });
    hear();
    await reconcile();
    edit('editing', { isolation: ['Egress'] });
    edit('leaving', { mode: 'Audit' });
    hear();
    isGated = true;
    let narrowed = 0;
    narrow = () => void (narrowed += 1);
    await reconcile();
    assert.equal(narrowed, 0);
    isGated = false;
    await reconcile();
    assert.equal(narrowed, 1);
  });

  it('postpones isolation while policies of another profile are too large to be written', async () => {
    create('large', tooLarge);
    create('other', { isolation: ['Ingress', 'Egress'] });
    hear();
    await reconcile();
    assert.deepEqual(policies(), ['other.default-deny']);
    assert.deepEqual(deny('other.default-deny'), ['Ingress']);
    const { failure } = records.resultsOf('other').get('shop') ?? {};
    assert.match(failure?.message ?? '', /^not isolated yet in Egress: .* what profile large allows/);
    assert.equal(records.resultsOf('large').get('shop')?.failure?.kind, 'stalled');
  });
});
