/** Rollouts by the real controller in virtual time: soak times, and a leader that dies at any of its requests. */
import assert from 'node:assert/strict';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER } from '../../src/api/names.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { none, type QueryResult } from '../../src/rollout/query-result.ts';
import { dice } from '../faults/model.ts';
import { Network } from './faults/network.ts';
import { NO_FAULTS } from './faults/rates.ts';
import { Replica } from './replica.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { startControllers } from './server/controllers.ts';
import { NETWORK_POLICY, type Stored } from './server/kinds.ts';
import type { Prometheus } from './server/prometheus.ts';
import { Server } from './server/server.ts';

const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
const MINUTE = 60_000;
const WORKLOADS = /\/(deployments|statefulsets|daemonsets|pods)$/;
const ROLLOUT = {
  waves: [{ name: 'canary', namespaceSelector: { matchLabels: { tier: 'test' } }, soak: '30m' }],
};

const refusal = (code: number, reason: string) => ({
  status: code,
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code, message: 'no' } as const,
});
const FORBIDDEN = refusal(403, 'Forbidden');
const TIMEOUT = refusal(504, 'Timeout');
const UNAVAILABLE = refusal(503, 'ServiceUnavailable');

/** A cluster with the namespaces a, the canary, and b; a leader, which dies before a chosen request, and its successor. */
class Cluster {
  readonly scheduler = new Scheduler();
  readonly #server = new Server(() => this.scheduler.time);
  readonly #network: Network;
  readonly #replicas: Replica[] = [];
  /** Requests of leaders, reads and writes. */
  requests = 0;
  /** True if the operator may read and write ControllerRevisions. */
  mayRecord = true;
  /** True if the operator can read revisions. */
  mayRead = true;
  /** The namespaces of which workloads were watched, or watched on. */
  readonly watched = new Set<string>();
  /** True if the answer to the next recording of a revision is lost. */
  losesRecording = false;
  /** True if the operator may write the status of profiles. */
  mayReport = true;
  /** The result of each query to Prometheus, and the times of all of them. */
  result: QueryResult = { kind: 'value', value: 0 };
  readonly asked: number[] = [];
  /** False: the operator's configuration has no Prometheus. */
  hasPrometheus = true;
  /** All watched objects are listed again after this time, in milliseconds; 0 for never. */
  resyncMs = 0;
  /** The request before which the leader dies; Infinity: never. */
  dieBefore = Number.POSITIVE_INFINITY;

  constructor() {
    this.#network = new Network(this.scheduler, this.#server, dice(1), {
      onSend: () => {
        this.requests += 1;
        if (this.requests === this.dieBefore) this.#leader?.crash();
      },
      onHandled: () => {},
      onNote: () => {},
    });
    this.#network.rates = NO_FAULTS;
    const handle = this.#server.handle.bind(this.#server);
    const watch = this.#server.watch.bind(this.#server);
    this.#server.watch = (path, query, send) => {
      if (WORKLOADS.test(path)) this.watched.add(/namespaces\/([^/]+)/.exec(path)?.[1] ?? 'all');
      return this.mayRead || !path.includes('/controllerrevisions')
        ? watch(path, query, send)
        : UNAVAILABLE.body;
    };
    this.#server.handle = (request, author) => {
      const isRecording = request.path.includes('/controllerrevisions');
      const isRefused =
        (!this.mayRecord && isRecording) || (!this.mayReport && request.path.endsWith('/status'));
      if (author !== 'user' && isRefused) return FORBIDDEN;
      const answer = handle(request, author);
      if (!this.losesRecording || !isRecording || request.method !== 'POST') return answer;
      this.losesRecording = false;
      return TIMEOUT;
    };
    startControllers(this.#server, this.scheduler, dice(2));
    const tiers = { 'kube-system': '', 'segmentation-system': '', a: 'test', b: 'live' };
    for (const [name, tier] of Object.entries(tiers))
      this.send('POST', '/api/v1/namespaces', {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name, labels: { tier } },
      });
  }

  get #leader(): Replica | undefined {
    return this.#replicas.findLast(({ isAlive }) => isAlive);
  }

  /** Starts a replica, which leads once its caches are filled. */
  async lead(): Promise<void> {
    const replica = new Replica({
      name: `operator-${this.#replicas.length}`,
      concurrency: 2,
      resyncMs: this.resyncMs,
      network: this.#network,
      ...(this.hasPrometheus && { prometheus: this.#prometheus }),
      onUncaught: (error) => assert.fail(String(error)),
    });
    this.#replicas.push(replica);
    while (!replica.isReady) await this.scheduler.advance(100);
    replica.lead();
  }

  /** Events of watches are lost from now on, or arrive again. */
  set losesEvents(isLosing: boolean) {
    this.#network.rates = { ...NO_FAULTS, lost: isLosing ? 100 : 0 };
  }

  /** The operator may not read workloads any more, and watches of them break; or it may again. */
  set mayWatchWorkloads(mayWatch: boolean) {
    this.#network.forbidden = mayWatch ? undefined : WORKLOADS;
    if (!mayWatch) this.#leader?.link.cut(WORKLOADS);
  }

  get #prometheus(): Pick<Prometheus, 'ask'> {
    return {
      ask: () => {
        this.asked.push(this.scheduler.time);
        return Promise.resolve(this.result);
      },
    };
  }

  get hasLeader(): boolean {
    return this.#leader !== undefined;
  }

  /** Ends the process of the leader. */
  crash(): void {
    this.#leader?.crash();
  }

  dispose(): void {
    for (const each of this.#replicas) each.dispose();
  }

  send(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Stored {
    const answer = this.#server.handle({ method, path, body }, 'user');
    assert.ok(answer.status < 300, JSON.stringify(answer));
    return answer.body as Stored;
  }

  write(rule: string, more: object = {}): void {
    const egress = [{ name: rule, to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }];
    const spec = { namespaceSelector: {}, baseline: { dns: 'Deny' }, rollout: ROLLOUT, egress, ...more };
    const metadata = { name: 'p' };
    if (this.#server.handle({ method: 'GET', path: `${PROFILES}/p` }, 'user').status === 404)
      this.send('POST', PROFILES, {
        apiVersion: 'segmentation.dev/v1alpha1',
        kind: 'SegmentationProfile',
        metadata,
        spec,
      });
    else this.send('PATCH', `${PROFILES}/p`, { spec });
  }

  get profile(): SegmentationProfile {
    return this.send('GET', `${PROFILES}/p`) as unknown as SegmentationProfile;
  }

  get hasProfile(): boolean {
    return this.#server.handle({ method: 'GET', path: `${PROFILES}/p` }, 'user').status === 200;
  }

  /** The owners of all policies. */
  get owners(): string[] {
    const policies = this.#server.storage.snapshot(NETWORK_POLICY) ?? [];
    return policies.flatMap(([, { metadata }]) => metadata.ownerReferences?.map(({ name }) => name) ?? []);
  }

  get summary(): string | undefined {
    return this.profile.status?.rollout?.summary;
  }

  /** The rule that each namespace has; undefined without policies. */
  get rules(): Record<string, string | undefined> {
    const policies = this.#server.storage.snapshot(NETWORK_POLICY) ?? [];
    const ruleIn = (namespace: string) =>
      policies
        .filter(([, { metadata }]) => metadata.namespace === namespace)
        .flatMap(
          ([, policy]) =>
            (policy as unknown as NetworkPolicy).metadata.annotations?.['segmentation.dev/rules'] ?? [],
        )
        .map((text) => /"rule":"(r\d)"/.exec(text)?.[1])
        .find((rule) => rule !== undefined);
    return { a: ruleIn('a'), b: ruleIn('b') };
  }

  /** The names of the policies of a namespace. */
  policiesIn(namespace: string): string[] {
    const policies = this.#server.storage.snapshot(NETWORK_POLICY) ?? [];
    return policies
      .filter(([, { metadata }]) => metadata.namespace === namespace)
      .map(([, { metadata }]) => metadata.name);
  }

  /** Creates a Deployment of one pod, or sets how many of its pods are available. */
  deployment(namespace: string, name: string, availableReplicas: number): void {
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
    if (this.#server.handle({ method: 'GET', path: `${path}/${name}` }, 'user').status === 404)
      this.send('POST', path, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name },
        spec: { replicas: 1 },
      });
    this.send('PATCH', `${path}/${name}/status`, { status: { availableReplicas } });
  }

  /** Creates a pod without controller, or sets its readiness. */
  pod(namespace: string, name: string, isReady: boolean, labels: Record<string, string> = {}): void {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    if (this.#server.handle({ method: 'GET', path: `${path}/${name}` }, 'user').status === 404)
      this.send('POST', path, { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels } });
    const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
    this.send('PATCH', `${path}/${name}/status`, { status: { phase: 'Running', conditions } });
  }

  /** Calls `listener` after each change of a policy. */
  onPolicy(listener: () => void): void {
    this.#server.storage.subscribe(({ kind }) => {
      if (kind === NETWORK_POLICY) listener();
    });
  }
}

describe('rollout in virtual time', () => {
  let cluster: Cluster;
  beforeEach(async () => {
    cluster = new Cluster();
    await cluster.lead();
  });
  afterEach(() => cluster.dispose());

  const complete = async () => {
    cluster.write('r1');
    await cluster.scheduler.advance(31 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
  };

  it('keeps everything as it is without its permission, says so, and begins once it has it', async () => {
    cluster.mayRecord = false;
    cluster.write('r1');
    await cluster.scheduler.advance(MINUTE);
    const condition = (type: string) =>
      cluster.profile.status?.conditions?.find((each) => each.type === type);
    assert.equal(condition('RolloutReady')?.reason, 'PermissionMissing');
    assert.equal(condition('Stalled')?.reason, 'PermissionMissing');
    assert.equal(condition('Reconciling')?.status, 'False');
    assert.deepEqual(cluster.rules, { a: undefined, b: undefined });
    cluster.mayRecord = true;
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
  });

  it('that can not begin holds up no deletion of its profile under Retain, whose policies stay without owner', async () => {
    cluster.write('r1', { rollout: undefined });
    await cluster.scheduler.advance(MINUTE);
    cluster.mayRecord = false;
    cluster.write('r2', { rollout: ROLLOUT, deletionPolicy: 'Retain' });
    await cluster.scheduler.advance(MINUTE);
    cluster.send('DELETE', `${PROFILES}/p`);
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.hasProfile, false);
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
    assert.deepEqual(cluster.owners, []);
  });

  it('that can not begin holds up no deletion of its profile, whose plan was half carried out', async () => {
    cluster.write('r1', { rollout: undefined });
    await cluster.scheduler.advance(MINUTE);
    cluster.mayRecord = false;
    cluster.write('r2', { rollout: ROLLOUT, deletionPolicy: 'Retain' });
    await cluster.scheduler.advance(MINUTE);
    cluster.send('POST', '/apis/networking.k8s.io/v1/namespaces/a/networkpolicies', {
      metadata: {
        name: 'p.transition.1',
        labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'p', [LABEL_ROLE]: 'transition' },
      },
      spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
    });
    const policies = cluster.policiesIn('a');
    await cluster.scheduler.advance(MINUTE);
    cluster.send('DELETE', `${PROFILES}/p`);
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.hasProfile, false);
    assert.deepEqual(cluster.policiesIn('a').toSorted(), policies.toSorted());
  });

  it('goes on if a revision was recorded and the answer to that was lost', async () => {
    cluster.losesRecording = true;
    cluster.write('r1');
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
  });

  it('begins if it is added again, after it was removed while its revision could not be recorded', async () => {
    cluster.mayRecord = false;
    cluster.write('r1');
    await cluster.scheduler.advance(MINUTE);
    cluster.write('r1', { rollout: null });
    await cluster.scheduler.advance(MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
    cluster.mayRecord = true;
    await cluster.scheduler.advance(10 * MINUTE);
    cluster.write('r2');
    await cluster.scheduler.advance(MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r2', b: 'r1' });
  });

  it('brings the enforcement of a profile under Audit to one wave after the other, and takes it back so', async () => {
    cluster.write('r1', { mode: 'Audit' });
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.summary, 'Complete');
    assert.deepEqual(cluster.rules, { a: undefined, b: undefined });
    for (const [mode, rule] of [
      ['Enforce', 'r1'],
      ['Audit', undefined],
    ] as const) {
      const before: string | undefined = cluster.rules['b'];
      cluster.write('r1', { mode });
      await cluster.scheduler.advance(29 * MINUTE);
      assert.deepEqual(cluster.rules, { a: rule, b: before }, mode);
      await cluster.scheduler.advance(2 * MINUTE);
      assert.equal(cluster.summary, 'Complete');
      assert.deepEqual(cluster.rules, { a: rule, b: rule }, mode);
    }
  });

  it('waits for the whole soak time, and not longer', async () => {
    cluster.write('r1');
    await cluster.scheduler.advance(29 * MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    assert.deepEqual(cluster.rules, { a: 'r1', b: undefined });
    await cluster.scheduler.advance(2 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
  });

  it('goes on under a successor of the leader, and keeps to the soak time that began before', async () => {
    await complete();
    cluster.write('r2');
    await cluster.scheduler.advance(10 * MINUTE);
    cluster.crash();
    await cluster.scheduler.advance(MINUTE);
    await cluster.lead();
    await cluster.scheduler.advance(18 * MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r2', b: 'r1' });
    await cluster.scheduler.advance(2 * MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r2', b: 'r2' });
    assert.equal(cluster.summary, 'Complete');
  });

  it('ends a soak time that passed while no operator ran', async () => {
    await complete();
    cluster.write('r2');
    await cluster.scheduler.advance(MINUTE);
    cluster.crash();
    await cluster.scheduler.advance(60 * MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r2', b: 'r1' });
    await cluster.lead();
    await cluster.scheduler.advance(MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r2', b: 'r2' });
  });

  it('removes the policies of a namespace that left the profile while no operator ran', async () => {
    const tiers = { key: 'tier', operator: 'In', values: ['test', 'live'] };
    cluster.write('r1', { namespaceSelector: { matchExpressions: [tiers] } });
    await cluster.scheduler.advance(31 * MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
    cluster.crash();
    cluster.send('PATCH', '/api/v1/namespaces/b', { metadata: { labels: { tier: 'other' } } });
    await cluster.lead();
    await cluster.scheduler.advance(MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r1', b: undefined });
  });

  it('has its policies back before another profile leaves, though its revisions are still to be read', async () => {
    await complete();
    const type = { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile' };
    cluster.send('POST', PROFILES, { ...type, metadata: { name: 'o' }, spec: { namespaceSelector: {} } });
    await cluster.scheduler.advance(MINUTE);
    cluster.crash();
    const policies = '/apis/networking.k8s.io/v1/namespaces/a/networkpolicies';
    for (const name of ['p.default-deny', 'p.egress']) cluster.send('DELETE', `${policies}/${name}`);
    cluster.send('DELETE', `${PROFILES}/o`);
    cluster.mayRead = false;
    let isOpen = false;
    cluster.onPolicy(() => {
      isOpen ||= cluster.policiesIn('a').every((name) => !name.endsWith('.default-deny'));
    });
    await cluster.lead();
    await cluster.scheduler.advance(10_000);
    cluster.mayRead = true;
    await cluster.scheduler.advance(MINUTE);
    assert.deepEqual(cluster.policiesIn('a'), ['p.default-deny', 'p.egress']);
    assert.ok(!isOpen, 'namespace a was open');
  });

  it('sends no request for a profile without a rollout that it did not send before there were rollouts', async () => {
    cluster.write('r1', { rollout: undefined });
    await cluster.scheduler.advance(MINUTE);
    const { requests } = cluster;
    await cluster.scheduler.advance(60 * MINUTE);
    assert.equal(cluster.profile.status?.rollout, undefined);
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
    assert.equal(cluster.requests, requests);
  });

  it('sends no request while a wave soaks', async () => {
    await complete();
    cluster.write('r2');
    await cluster.scheduler.advance(5 * MINUTE);
    const { requests } = cluster;
    await cluster.scheduler.advance(20 * MINUTE);
    assert.equal(cluster.requests, requests);
  });

  it('is over once the status is cleared of it, and not before', async () => {
    await complete();
    cluster.write('r2');
    await cluster.scheduler.advance(MINUTE);
    cluster.mayReport = false;
    cluster.write('r2', { rollout: null });
    await cluster.scheduler.advance(MINUTE);
    assert.deepEqual(cluster.rules, { a: 'r2', b: 'r1' });
    cluster.mayReport = true;
    await cluster.scheduler.advance(10 * MINUTE);
    assert.equal(cluster.profile.status?.rollout, undefined);
    assert.deepEqual(cluster.rules, { a: 'r2', b: 'r2' });
  });

  const rolloutReady = () => cluster.profile.status?.conditions?.find(({ type }) => type === 'RolloutReady');
  const gated = (rule: string) =>
    cluster.write(rule, { rollout: { ...ROLLOUT, gates: { workloads: { maxUnavailable: 0, for: '2m' } } } });

  it('watches the workloads of the namespaces of its wave alone, and only while the wave is under way', async () => {
    gated('r1');
    await cluster.scheduler.advance(35 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    cluster.watched.clear();
    await cluster.scheduler.advance(60 * MINUTE);
    assert.deepEqual([...cluster.watched], []);
    gated('r2');
    await cluster.scheduler.advance(25 * MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    assert.deepEqual([...cluster.watched], ['a']);
    cluster.watched.clear();
    await cluster.scheduler.advance(10 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    cluster.watched.clear();
    await cluster.scheduler.advance(60 * MINUTE);
    assert.deepEqual([...cluster.watched], []);
  });

  it('goes back by its gate if a Deployment becomes unavailable, also under a successor of the leader', async () => {
    cluster.deployment('a', 'web', 1);
    cluster.deployment('a', 'broken', 0);
    gated('r1');
    await cluster.scheduler.advance(35 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    gated('r2');
    await cluster.scheduler.advance(5 * MINUTE);
    assert.deepEqual(cluster.profile.status?.rollout?.gates?.unavailable, ['a/Deployment/broken']);
    cluster.crash();
    cluster.deployment('a', 'web', 0);
    await cluster.lead();
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    await cluster.scheduler.advance(2 * MINUTE);
    assert.equal(cluster.summary, 'RolledBack');
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
    const { requests } = cluster;
    await cluster.scheduler.advance(60 * MINUTE);
    // Only the watches that never end.
    assert.equal(cluster.requests, requests);
  });

  it('goes back by its gate if the event of an unavailable Deployment was lost, once the resync period is over', async () => {
    cluster.dispose();
    cluster = new Cluster();
    cluster.resyncMs = MINUTE;
    await cluster.lead();
    cluster.deployment('a', 'web', 1);
    gated('r1');
    await cluster.scheduler.advance(MINUTE);
    cluster.losesEvents = true;
    cluster.deployment('a', 'web', 0);
    await cluster.scheduler.advance(MINUTE);
    cluster.losesEvents = false;
    // A watch ends after ten minutes at the latest.
    await cluster.scheduler.advance(15 * MINUTE);
    assert.equal(cluster.summary, 'RolledBack');
  });

  it('ends no wave while its gate can not watch workloads any more, says so, and goes on once it can', async () => {
    cluster.deployment('a', 'web', 1);
    gated('r1');
    await cluster.scheduler.advance(5 * MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    cluster.mayWatchWorkloads = false;
    await cluster.scheduler.advance(60 * MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    assert.equal(rolloutReady()?.reason, 'PermissionMissing');
    cluster.mayWatchWorkloads = true;
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.summary, 'Complete');
  });

  it('goes back by its gate if a Deployment became unavailable while its gate could not watch workloads', async () => {
    cluster.deployment('a', 'web', 1);
    await cluster.scheduler.advance(MINUTE);
    gated('r1');
    await cluster.scheduler.advance(5 * MINUTE);
    cluster.mayWatchWorkloads = false;
    cluster.deployment('a', 'web', 0);
    await cluster.scheduler.advance(60 * MINUTE);
    cluster.mayWatchWorkloads = true;
    await cluster.scheduler.advance(3 * MINUTE);
    assert.equal(cluster.summary, 'RolledBack');
  });

  it('does not go back for a Deployment that recovered while its gate could not watch workloads', async () => {
    cluster.deployment('a', 'web', 1);
    await cluster.scheduler.advance(MINUTE);
    gated('r1');
    await cluster.scheduler.advance(5 * MINUTE);
    cluster.deployment('a', 'web', 0);
    await cluster.scheduler.advance(MINUTE);
    cluster.mayWatchWorkloads = false;
    cluster.deployment('a', 'web', 1);
    await cluster.scheduler.advance(60 * MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    cluster.mayWatchWorkloads = true;
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.summary, 'Complete');
  });

  it('writes no status if its gate loses a watch for a moment', async () => {
    cluster.deployment('a', 'web', 1);
    gated('r1');
    await cluster.scheduler.advance(5 * MINUTE);
    const { resourceVersion } = cluster.profile.metadata;
    cluster.mayWatchWorkloads = false;
    await cluster.scheduler.advance(3_000);
    cluster.mayWatchWorkloads = true;
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.profile.metadata.resourceVersion, resourceVersion);
  });

  for (const [when, readsMs] of [
    ['from the start', 0],
    ['any more', 5 * MINUTE],
  ] as const)
    it(`writes its status once if its gate may not read workloads ${when}`, async () => {
      if (readsMs === 0) cluster.mayWatchWorkloads = false;
      gated('r1');
      await cluster.scheduler.advance(readsMs);
      cluster.mayWatchWorkloads = false;
      await cluster.scheduler.advance(MINUTE);
      assert.equal(
        rolloutReady()?.message,
        'the operator may not list and watch daemonsets.apps in namespace a, deployments.apps in namespace a, ' +
          'pods in namespace a and 1 more: no further namespace gets the revision; ' +
          'apply config/rollout, or remove spec.rollout.gates',
      );
      const { resourceVersion } = cluster.profile.metadata;
      await cluster.scheduler.advance(20 * MINUTE);
      assert.equal(cluster.profile.metadata.resourceVersion, resourceVersion);
    });

  it('goes back by its gate if a pod without controller is not ready any more, which had been', async () => {
    cluster.pod('a', 'alone', true);
    cluster.pod('a', 'broken', false);
    cluster.pod('a', 'of-a-deployment', true, { 'pod-template-hash': 'x' });
    gated('r1');
    await cluster.scheduler.advance(35 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    gated('r2');
    await cluster.scheduler.advance(5 * MINUTE);
    assert.deepEqual(cluster.profile.status?.rollout?.gates?.unavailable, ['a/Pod/broken']);
    cluster.pod('a', 'of-a-deployment', false, {});
    await cluster.scheduler.advance(5 * MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    cluster.pod('a', 'alone', false);
    await cluster.scheduler.advance(3 * MINUTE);
    assert.equal(cluster.summary, 'RolledBack');
    assert.match(cluster.profile.status?.rollout?.failure?.message ?? '', /^Pod a\/alone became unavailable/);
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
  });

  const asking = (rule: string, more: object = {}, waves: readonly object[] = ROLLOUT.waves) =>
    cluster.write(rule, {
      rollout: {
        waves,
        deadline: '10m',
        gates: { prometheus: [{ name: 'errors', query: 'errors', max: 1, for: '2m' }] },
      },
      ...more,
    });

  it('goes back by its gate if a query goes beyond its bound, also under a successor of the leader', async () => {
    asking('r1');
    await cluster.scheduler.advance(35 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    asking('r2');
    await cluster.scheduler.advance(5 * MINUTE);
    assert.deepEqual(cluster.profile.status?.rollout?.gates?.queries, [{ name: 'errors', value: '0' }]);
    cluster.crash();
    cluster.result = { kind: 'value', value: 7 };
    await cluster.lead();
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    await cluster.scheduler.advance(2 * MINUTE);
    assert.equal(cluster.summary, 'RolledBack');
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
    assert.match(
      cluster.profile.status?.rollout?.failure?.message ?? '',
      /^query errors is 7, more than max 1, after the wave began; it was 0 when the wave began/,
    );
  });

  it('looks at a query once more before a wave without soak time ends', async () => {
    const [wave] = ROLLOUT.waves;
    cluster.deployment('a', 'web', 1);
    asking('r1', {});
    await cluster.scheduler.advance(31 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    const { length } = cluster.asked;
    // The change breaks what the query sees.
    cluster.onPolicy(() => (cluster.result = { kind: 'value', value: 5 }));
    asking('r2', {}, [{ ...wave, soak: '0m' }]);
    await cluster.scheduler.advance(MINUTE);
    assert.ok(cluster.asked.length > length);
    assert.deepEqual(cluster.rules, { a: 'r2', b: 'r1' });
    await cluster.scheduler.advance(5 * MINUTE);
    assert.equal(cluster.summary, 'RolledBack');
    assert.deepEqual(cluster.rules, { a: 'r1', b: 'r1' });
  });

  it('waits while Prometheus does not answer, and goes on once it does', async () => {
    cluster.result = none('connection refused');
    asking('r1');
    await cluster.scheduler.advance(5 * MINUTE);
    assert.deepEqual(cluster.rules, { a: undefined, b: undefined });
    const ready = cluster.profile.status?.conditions?.find(({ type }) => type === 'RolloutReady');
    assert.match(ready?.message ?? '', /query errors has no value: connection refused/);
    cluster.result = { kind: 'value', value: 1 };
    await cluster.scheduler.advance(25 * MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    cluster.result = none('connection refused');
    await cluster.scheduler.advance(9 * MINUTE);
    assert.equal(cluster.summary, 'Soaking 0/2');
    cluster.result = { kind: 'value', value: 1 };
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.summary, 'Complete');
  });

  it('keeps everything as it is without a Prometheus in the configuration, and says so', async () => {
    cluster.crash();
    cluster.hasPrometheus = false;
    await cluster.lead();
    asking('r1');
    await cluster.scheduler.advance(20 * MINUTE);
    const conditions = cluster.profile.status?.conditions ?? [];
    for (const type of ['RolloutReady', 'Stalled'])
      assert.equal(conditions.find((each) => each.type === type)?.reason, 'PrometheusMissing');
    assert.deepEqual(cluster.rules, { a: undefined, b: undefined });
    cluster.write('r1', { rollout: { ...ROLLOUT, gates: null } });
    await cluster.scheduler.advance(31 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
  });

  it('asks Prometheus only while a wave is under way, without a request to the API server', async () => {
    asking('r1');
    await cluster.scheduler.advance(5 * MINUTE);
    const [{ requests }, { length }] = [cluster, cluster.asked];
    await cluster.scheduler.advance(10 * MINUTE);
    assert.equal(cluster.requests, requests);
    assert.ok(Math.abs(cluster.asked.length - length - 40) <= 1, String(cluster.asked.length - length));
    await cluster.scheduler.advance(20 * MINUTE);
    assert.equal(cluster.summary, 'Complete');
    const { length: all } = cluster.asked;
    await cluster.scheduler.advance(60 * MINUTE);
    assert.equal(cluster.asked.length, all);
  });

  it('names in the failure of a query the flows that it closed, also those under the leader before', async () => {
    asking('r1');
    await cluster.scheduler.advance(35 * MINUTE);
    asking('r2', { egress: [{ name: 'r2', to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }] });
    await cluster.scheduler.advance(MINUTE);
    const flows = ['Egress to 203.0.113.0/24 on any port'];
    assert.deepEqual(cluster.profile.status?.rollout?.closed, [{ namespace: 'a', flows }]);
    cluster.crash();
    cluster.result = { kind: 'value', value: 7 };
    await cluster.lead();
    await cluster.scheduler.advance(4 * MINUTE);
    assert.equal(cluster.summary, 'RolledBack');
    assert.match(
      cluster.profile.status?.rollout?.failure?.message ?? '',
      /; closed since the rollout began: in a: Egress to 203\.0\.113\.0\/24 on any port$/,
    );
    asking('r3');
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.profile.status?.rollout?.closed, undefined);
  });

  it('names in the failure of its gate the flows that it closed', async () => {
    cluster.deployment('a', 'web', 1);
    gated('r1');
    await cluster.scheduler.advance(35 * MINUTE);
    const rollout = { ...ROLLOUT, gates: { workloads: { maxUnavailable: 0, for: '2m' } } };
    cluster.write('r2', {
      rollout,
      egress: [{ name: 'r2', to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }],
    });
    await cluster.scheduler.advance(MINUTE);
    cluster.deployment('a', 'web', 0);
    await cluster.scheduler.advance(3 * MINUTE);
    assert.match(
      cluster.profile.status?.rollout?.failure?.message ?? '',
      /^Deployment a\/web became unavailable after the wave began; closed there since the rollout began: Egress to 203\.0\.113\.0\/24/,
    );
  });

  it('names in the failure of its gate the flows that it closed, though the leader died before it recorded them', async () => {
    cluster.deployment('a', 'web', 1);
    gated('r1');
    await cluster.scheduler.advance(35 * MINUTE);
    const rollout = { ...ROLLOUT, gates: { workloads: { maxUnavailable: 0, for: '2m' } } };
    let isArmed = true;
    cluster.onPolicy(() => {
      if (cluster.rules['a'] === 'r2' && isArmed) cluster.crash();
    });
    cluster.write('r2', {
      rollout,
      egress: [{ name: 'r2', to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }],
    });
    await cluster.scheduler.advance(MINUTE);
    assert.equal(cluster.hasLeader, false);
    assert.equal(cluster.profile.status?.rollout?.closed, undefined);
    isArmed = false;
    await cluster.lead();
    await cluster.scheduler.advance(MINUTE);
    cluster.deployment('a', 'web', 0);
    await cluster.scheduler.advance(3 * MINUTE);
    assert.equal(cluster.summary, 'RolledBack');
    assert.match(
      cluster.profile.status?.rollout?.failure?.message ?? '',
      /^Deployment a\/web became unavailable after the wave began; closed there since the rollout began: Egress to 203\.0\.113\.0\/24/,
    );
  });

  it('keeps a later wave at the revision before, whichever request the leader dies at', async function () {
    this.timeout('1m');
    let deaths = 0;
    for (let request = 1; ; request++) {
      cluster.dispose();
      cluster = new Cluster();
      await cluster.lead();
      await complete();
      let isEarly = true;
      const { rules } = cluster;
      cluster.onPolicy(() => {
        const { a, b } = cluster.rules;
        assert.ok(a === 'r1' || a === 'r2', `a has ${a}`);
        assert.ok(b === 'r1' || (!isEarly && b === 'r2'), `b has ${b}`);
      });
      assert.deepEqual(rules, { a: 'r1', b: 'r1' });
      cluster.dieBefore = cluster.requests + request;
      cluster.write('r2');
      await cluster.scheduler.advance(MINUTE);
      if (cluster.hasLeader) break;
      deaths += 1;
      cluster.dieBefore = Number.POSITIVE_INFINITY;
      await cluster.lead();
      await cluster.scheduler.advance(MINUTE);
      assert.equal(cluster.summary, 'Soaking 0/2', `after death before request ${request}`);
      isEarly = false;
      await cluster.scheduler.advance(30 * MINUTE);
      assert.equal(cluster.summary, 'Complete');
      assert.deepEqual(cluster.rules, { a: 'r2', b: 'r2' });
    }
    assert.ok(deaths >= 6, String(deaths));
  });
});
