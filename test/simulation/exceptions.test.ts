/** Exceptions by the real controller in virtual time: what they keep open, and what a rollout that can't begin means for them. */
import assert from 'node:assert/strict';
import type { SegmentationException } from '../../src/api/exception.ts';
import { ANNOTATION_PROMOTE, LABEL_ROLE } from '../../src/api/names.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { Request } from '../../src/kube/http/transport.ts';
import { rfc3339 } from '../../src/util/rfc3339.ts';
import { dice } from '../faults/model.ts';
import { Network } from './faults/network.ts';
import { NO_FAULTS } from './faults/rates.ts';
import { Replica } from './replica.ts';
import { EPOCH, Scheduler } from './schedule/scheduler.ts';
import { startControllers } from './server/controllers.ts';
import { EXCEPTION, NETWORK_POLICY } from './server/kinds.ts';
import { Server } from './server/server.ts';

const GROUP = '/apis/segmentation.dev/v1alpha1';
const POLICIES = '/apis/networking.k8s.io/v1/namespaces/a/networkpolicies';
const FORBIDDEN = {
  apiVersion: 'v1',
  kind: 'Status',
  status: 'Failure',
  reason: 'Forbidden',
  code: 403,
  message: 'no',
} as const;
const GRANT = {
  mode: 'Allowed',
  maxDuration: '8h',
  peers: ['Pods', 'Service'],
  maxPerNamespace: 5,
};

describe('exception in virtual time', () => {
  let scheduler: Scheduler;
  let server: Server;
  let replica: Replica;
  /** Starts a replica, which leads once its caches are filled. */
  let start: (name: string) => Promise<void>;
  let network: Network;
  /** Called with each request that is sent. */
  let onSend: (request: Request) => void;
  /** True if the operator may read and write ControllerRevisions. */
  let mayRecord: boolean;

  beforeEach(async () => {
    scheduler = new Scheduler();
    server = new Server(() => scheduler.time);
    mayRecord = true;
    onSend = () => {};
    network = new Network(scheduler, server, dice(1), {
      onSend: (_, request) => onSend(request),
      onHandled: () => {},
      onNote: () => {},
    });
    network.rates = NO_FAULTS;
    const handle = server.handle.bind(server);
    server.handle = (call, author) =>
      mayRecord || author === 'user' || !call.path.includes('/controllerrevisions')
        ? handle(call, author)
        : { status: 403, body: FORBIDDEN };
    startControllers(server, scheduler, dice(2));
    for (const name of ['kube-system', 'segmentation-system', 'a', 'b'])
      post('/api/v1/namespaces', { metadata: { name } });
    for (const name of ['a', 'b'])
      post(`/api/v1/namespaces/${name}/pods`, { metadata: { name: 'pod' }, spec: {} });
    start = async (name) => {
      replica = new Replica({
        name,
        concurrency: 2,
        resyncMs: 60_000,
        hasExceptions: true,
        network,
        onUncaught: (error) => assert.fail(String(error)),
      });
      while (!replica.isReady) await scheduler.advance(100);
      replica.lead();
    };
    await start('operator-1');
  });
  afterEach(() => replica.dispose());

  function post(path: string, body: object): void {
    const answer = server.handle({ method: 'POST', path, body }, 'user');
    assert.equal(answer.status, 201, JSON.stringify(answer));
  }
  const profile = (more: object, name = 'p') => {
    const spec = { baseline: { dns: 'Deny' }, exceptions: GRANT, ...more };
    const type = { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile' };
    post(`${GROUP}/segmentationprofiles`, { ...type, metadata: { name }, spec });
  };
  const edit = (spec: object) =>
    server.handle({ method: 'PATCH', path: `${GROUP}/segmentationprofiles/p`, body: { spec } }, 'user');
  const ask = (namespace: string, peer: object = { podSelector: {} }, forMs = 3_600_000) => {
    const expires = rfc3339(EPOCH + scheduler.time + forMs);
    const egress = [{ name: 'out', to: [peer] }];
    const spec = { reason: 'INC-1', expires, requestedBy: 'jane', egress };
    post(`${GROUP}/namespaces/${namespace}/segmentationexceptions`, { metadata: { name: 'e' }, spec });
  };
  const inForce = (namespace: string) => {
    const stored: unknown = server.storage.get(EXCEPTION, `${namespace}/e`);
    return (stored as SegmentationException).status?.conditions?.find(({ type }) => type === 'InForce');
  };
  /** A leader without the permission to read revisions takes over from one that had it. */
  const loseRevisions = async () => {
    mayRecord = false;
    const watch = server.watch.bind(server);
    server.watch = (path, query, send) =>
      path.includes('/controllerrevisions') ? FORBIDDEN : watch(path, query, send);
    replica.crash();
    await start('operator-2');
  };
  const rolesIn = (namespace: string): (string | undefined)[] =>
    (server.storage.snapshot(NETWORK_POLICY) ?? [])
      .filter(([, { metadata }]) => metadata.namespace === namespace)
      .map(([, { metadata }]) => metadata.labels?.[LABEL_ROLE]);

  it('that was asked for before a profile begins to enforce is never cut by it', async () => {
    profile({ namespaceSelector: {}, mode: 'Audit' });
    ask('a');
    await scheduler.advance(5_000);
    const states: (string | undefined)[][] = [];
    server.storage.subscribe(({ kind }) => {
      if (kind === NETWORK_POLICY) states.push(rolesIn('a'));
    });
    edit({ mode: 'Enforce' });
    await scheduler.advance(5_000);
    assert.equal(inForce('a')?.status, 'True');
    const cut = states.find(
      (roles) =>
        roles.includes('default-deny') && !roles.includes('exception') && !roles.includes('transition'),
    );
    assert.equal(cut, undefined);
  });

  it('keeps its flows when the profile ceases to allow them', async () => {
    const egress = [{ name: 'all', to: [{ podSelector: {} }] }];
    profile({ namespaceSelector: {}, egress });
    let isKnown = false;
    let isCut = false;
    server.storage.subscribe(({ kind }) => {
      const roles = rolesIn('a');
      if (kind === NETWORK_POLICY)
        isCut ||= isKnown && !roles.includes('egress') && !roles.includes('exception');
    });
    // The events of both changes take different times to arrive.
    for (let run = 0; run < 20; run++) {
      await scheduler.advance(5_000);
      ask('a');
      await scheduler.advance(15);
      isKnown = true;
      edit({ egress: [] });
      await scheduler.advance(5_000);
      assert.equal(inForce('a')?.status, 'True');
      isKnown = false;
      const path = `${GROUP}/namespaces/a/segmentationexceptions/e`;
      server.handle({ method: 'DELETE', path }, 'user');
      edit({ egress });
    }
    assert.ok(!isCut);
  });

  it('is read by a new leader before a profile ceases to allow its flows', async () => {
    profile({ namespaceSelector: {}, egress: [{ name: 'all', to: [{ podSelector: {} }] }] });
    await scheduler.advance(5_000);
    replica.crash();
    ask('a');
    edit({ egress: [] });
    const watch = server.watch.bind(server);
    server.watch = (path, query, send) => {
      if (!path.endsWith('/segmentationexceptions')) return watch(path, query, send);
      const timer = scheduler.after(2_000, () => watch(path, query, send));
      return () => timer.cancel();
    };
    let isCut = false;
    server.storage.subscribe(({ kind }) => {
      const roles = rolesIn('a');
      if (kind === NETWORK_POLICY) isCut ||= !roles.includes('egress') && !roles.includes('exception');
    });
    await start('operator-2');
    await scheduler.advance(10_000);
    assert.deepEqual(new Set(rolesIn('a')), new Set(['default-deny', 'exception']));
    assert.ok(!isCut);
  });

  it('causes no write while a peer of it keeps its last known form', async () => {
    const services = '/api/v1/namespaces/a/services';
    post(services, { metadata: { name: 'api' }, spec: { selector: { app: 'a' }, ports: [{ port: 80 }] } });
    profile({ namespaceSelector: {} });
    ask('a', { service: { namespace: 'a', name: 'api' } });
    await scheduler.advance(5_000);
    server.handle({ method: 'DELETE', path: `${services}/api` }, 'user');
    await scheduler.advance(5_000);
    assert.deepEqual(new Set(rolesIn('a')), new Set(['default-deny', 'exception']));
    const { revision } = server.storage;
    await scheduler.advance(300_000);
    assert.equal(server.storage.revision, revision);
  });

  it('is not opened after its end by a reconcile that began before', async () => {
    profile({ namespaceSelector: {}, mode: 'Audit' });
    ask('a', { podSelector: {} }, 10_000);
    await scheduler.advance(5_000);
    let isOpened = false;
    onSend = ({ method, path, body }) => {
      // The answer takes up to a minute and a half.
      network.rates = { ...NO_FAULTS, slow: method === 'GET' && path.endsWith('/a/pods') ? 100 : 0 };
      const isWrite = method === 'POST' && path.endsWith('/a/networkpolicies');
      isOpened ||= isWrite && (body as NetworkPolicy).metadata.labels?.[LABEL_ROLE] === 'exception';
    };
    edit({ mode: 'Enforce' });
    await scheduler.advance(4_000);
    assert.equal(inForce('a')?.reason, 'Progressing');
    assert.deepEqual(rolesIn('a'), []);
    await scheduler.advance(120_000);
    assert.equal(isOpened, false);
    assert.equal(inForce('a')?.reason, 'Expired');
    assert.deepEqual(rolesIn('a'), ['default-deny']);
  });

  it('is found by the next list if the event of it was lost', async () => {
    await scheduler.advance(5_000);
    network.rates = { ...NO_FAULTS, lost: 100 };
    ask('a');
    await scheduler.advance(5_000);
    network.rates = NO_FAULTS;
    assert.equal(inForce('a'), undefined);
    await scheduler.advance(700_000);
    assert.equal(inForce('a')?.reason, 'NotSelected');
  });

  it('has its status written before the next list if the event of a change of it was lost', async () => {
    ask('a');
    await scheduler.advance(5_000);
    network.rates = { ...NO_FAULTS, lost: 100 };
    const path = `${GROUP}/namespaces/a/segmentationexceptions/e`;
    server.handle({ method: 'PATCH', path, body: { metadata: { annotations: { ticket: '1' } } } }, 'user');
    await scheduler.advance(1_000);
    network.rates = NO_FAULTS;
    profile({ namespaceSelector: {}, mode: 'Audit' });
    await scheduler.advance(20_000);
    assert.equal(inForce('a')?.reason, 'ProfileAudits');
  });

  it('that no profile grants is expired within a minute of a step of the clock, while others come and go', async () => {
    ask('a');
    await scheduler.advance(5_000);
    assert.equal(inForce('a')?.reason, 'NotSelected');
    replica.clock.step(7_200_000);
    for (let run = 0; run < 6; run++) {
      ask('b');
      await scheduler.advance(5_000);
      server.handle({ method: 'DELETE', path: `${GROUP}/namespaces/b/segmentationexceptions/e` }, 'user');
      await scheduler.advance(5_200);
    }
    assert.equal(inForce('a')?.reason, 'Expired');
  });

  it('is refused for another reason as soon as that is so', async () => {
    const only = (namespace: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': namespace } });
    profile({ namespaceSelector: only('b'), exceptions: { ...GRANT, maxDuration: '3m' } });
    ask('a');
    await scheduler.advance(5_000);
    assert.equal(inForce('a')?.reason, 'NotSelected');
    edit({ namespaceSelector: only('a') });
    await scheduler.advance(5_000);
    assert.equal(inForce('a')?.reason, 'TooLong');
    edit({ exceptions: null });
    await scheduler.advance(5_000);
    assert.equal(inForce('a')?.reason, 'NotGranted');
    edit({ namespaceSelector: only('b') });
    await scheduler.advance(5_000);
    assert.equal(inForce('a')?.reason, 'NotSelected');
  });

  it('is refused where the profile does not select its namespace, though a rollout can not begin', async () => {
    profile({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'a' } } });
    await scheduler.advance(5_000);
    mayRecord = false;
    edit({ rollout: { waves: [{ name: 'all', percent: 100 }] }, isolation: ['Egress'] });
    await scheduler.advance(5_000);
    ask('b');
    await scheduler.advance(5_000);
    assert.equal(inForce('b')?.reason, 'NotSelected', inForce('b')?.message);
  });

  const WAVES = { waves: [{ name: 'all', percent: 100 }] };
  const UNRESOLVED = { service: { namespace: 'none', name: 'none' } };

  it('stays open while a rollout can not begin by which the profile would not isolate its direction any more', async () => {
    profile({ namespaceSelector: {} });
    ask('a');
    await scheduler.advance(5_000);
    assert.deepEqual(rolesIn('a'), ['default-deny', 'exception']);
    mayRecord = false;
    edit({ rollout: WAVES, isolation: ['Ingress'] });
    await scheduler.advance(5_000);
    assert.deepEqual(rolesIn('a'), ['default-deny', 'exception']);
    assert.equal(inForce('a')?.status, 'True');
  });

  it('is opened, kept up and ended while a rollout can not begin', async () => {
    profile({ namespaceSelector: {} });
    await scheduler.advance(5_000);
    mayRecord = false;
    edit({ rollout: WAVES, isolation: ['Ingress'] });
    await scheduler.advance(5_000);
    ask('a', { podSelector: {} }, 60_000);
    await scheduler.advance(5_000);
    assert.deepEqual(rolesIn('a'), ['default-deny', 'exception']);
    assert.equal(inForce('a')?.status, 'True');
    const { revision } = server.storage;
    await scheduler.advance(30_000);
    assert.equal(server.storage.revision, revision);
    const opened = (server.storage.snapshot(NETWORK_POLICY) ?? [])
      .map(([, { metadata }]) => metadata)
      .find(({ labels }) => labels?.[LABEL_ROLE] === 'exception');
    server.handle({ method: 'DELETE', path: `${POLICIES}/${opened?.name}` }, 'user');
    await scheduler.advance(5_000);
    assert.deepEqual(rolesIn('a'), ['default-deny', 'exception']);
    await scheduler.advance(30_000);
    assert.deepEqual(rolesIn('a'), ['default-deny']);
    assert.equal(inForce('a')?.reason, 'Expired');
  });

  /** In force in namespace a: revision 1, in the mode `before`. Asked for: `after`, of which only b has the revision. */
  const rolledOut = async (before: string, after: string) => {
    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': 'b' } };
    const rollout = { waves: [{ name: 'b', namespaceSelector, soak: '1h' }] };
    profile({ namespaceSelector: {}, mode: before, rollout });
    await scheduler.advance(5_000);
    server.handle(
      {
        method: 'PATCH',
        path: `${GROUP}/segmentationprofiles/p`,
        body: { metadata: { annotations: { [ANNOTATION_PROMOTE]: '1/*' } } },
      },
      'user',
    );
    await scheduler.advance(5_000);
    edit({ mode: after });
    await scheduler.advance(5_000);
  };
  /** The first answer with revisions comes only after so many milliseconds. */
  const delayRevisions = (ms: number) => {
    const watch = server.watch.bind(server);
    const answeredAt = scheduler.time + ms;
    server.watch = (path, query, send) => {
      if (!path.includes('/controllerrevisions')) return watch(path, query, send);
      const timer = scheduler.after(answeredAt - scheduler.time, () => watch(path, query, send));
      return () => timer.cancel();
    };
  };

  it('keeps its status while a new leader reads the revision that its namespace has', async () => {
    await rolledOut('Enforce', 'Audit');
    ask('a');
    await scheduler.advance(5_000);
    assert.equal(inForce('a')?.status, 'True', inForce('a')?.message);
    replica.crash();
    const { revision } = server.storage;
    delayRevisions(3_000);
    await start('operator-2');
    await scheduler.advance(70_000);
    assert.equal(server.storage.revision, revision);
  });

  it('ends on time where somebody has removed the labels of its policy while no operator ran', async () => {
    profile({ namespaceSelector: {} });
    const end = scheduler.time + 60_000;
    ask('a', { podSelector: {} }, 60_000);
    await scheduler.advance(5_000);
    replica.crash();
    const path = `${POLICIES}/p.exception.e.egress`;
    const { status } = server.handle({ method: 'PATCH', path, body: { metadata: { labels: null } } }, 'user');
    assert.equal(status, 200);
    await start('operator-2');
    await scheduler.advance(end - scheduler.time - 2_000);
    assert.deepEqual(rolesIn('a'), ['default-deny', 'exception']);
    await scheduler.advance(3_000);
    assert.deepEqual(rolesIn('a'), ['default-deny']);
  });

  it('ends on time under a new leader that reads the revision of its namespace late', async () => {
    await rolledOut('Enforce', 'Audit');
    const end = scheduler.time + 30_000;
    ask('a', { podSelector: {} }, 30_000);
    await scheduler.advance(5_000);
    replica.crash();
    delayRevisions(3_000);
    await start('operator-2');
    await scheduler.advance(end - scheduler.time - 2_000);
    assert.deepEqual(rolesIn('a'), ['default-deny', 'exception']);
    await scheduler.advance(3_000);
    assert.deepEqual(rolesIn('a'), ['default-deny']);
  });

  it('is reported by the revision that its namespace has as soon as a new leader has read that', async () => {
    await rolledOut('Audit', 'Enforce');
    replica.crash();
    delayRevisions(10_000);
    await start('operator-2');
    await scheduler.advance(5_000);
    ask('a');
    await scheduler.advance(2_000);
    assert.equal(inForce('a'), undefined);
    await scheduler.advance(8_000);
    assert.equal(inForce('a')?.reason, 'ProfileAudits', inForce('a')?.message);
  });

  it('ends, and another one begins, though a new leader may not read the revision of its namespace', async () => {
    profile({ namespaceSelector: {}, rollout: WAVES });
    await scheduler.advance(5_000);
    ask('a', { podSelector: {} }, 40_000);
    await scheduler.advance(5_000);
    assert.deepEqual(rolesIn('a'), ['default-deny', 'exception']);
    await loseRevisions();
    await scheduler.advance(20_000);
    assert.deepEqual(rolesIn('a'), ['default-deny', 'exception']);
    await scheduler.advance(15_000);
    assert.deepEqual(rolesIn('a'), ['default-deny']);
    assert.equal(inForce('a')?.reason, 'Expired');
    ask('b');
    await scheduler.advance(5_000);
    assert.deepEqual(rolesIn('b'), ['default-deny', 'exception']);
    assert.equal(inForce('b')?.status, 'True', inForce('b')?.message);
  });

  for (const [what, peer] of Object.entries({
    '': { podSelector: {} },
    ' and its peer is unresolved': UNRESOLVED,
  }))
    it(`says what it waits for if the policies of its namespace can not be known${what}, and another profile enforces there`, async () => {
      profile({ namespaceSelector: {}, rollout: WAVES });
      profile({ namespaceSelector: {}, exceptions: null }, 'q');
      await scheduler.advance(5_000);
      await loseRevisions();
      await scheduler.advance(5_000);
      ask('a', peer);
      await scheduler.advance(70_000);
      assert.equal(inForce('a')?.reason, 'Progressing');
      assert.match(inForce('a')?.message ?? '', /: waiting to read controllerrevisions: /);
      assert.deepEqual(rolesIn('a'), ['default-deny', 'default-deny']);
    });

  it('says what it waits for if the profile has policies that are too large', async () => {
    const cidr = (index: number) => `10.${index >> 8}.${index & 255}.0/24`;
    const blocks = Array.from({ length: 40_000 }, (_, index) => ({ ipBlock: { cidr: cidr(index) } }));
    profile({ namespaceSelector: {}, egress: [{ name: 'large', to: blocks }] });
    await scheduler.advance(5_000);
    ask('a');
    await scheduler.advance(70_000);
    assert.equal(inForce('a')?.reason, 'Progressing');
    assert.match(inForce('a')?.message ?? '', /: policy p\.egress would have /);
  });
});
