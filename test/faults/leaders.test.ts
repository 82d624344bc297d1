/** Two replicas, each behind a proxy of its own: a former leader stops writing, and a new leader starts from fresh caches. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { consistently, eventually, Sandbox } from '../support/cluster.ts';
import { type Exit, installOperator, type Operator, Operators } from '../support/operator.ts';
import { ApiProxy, type Exchange } from './api-proxy.ts';
import { CACHED } from './faults.ts';

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/segmentation-system/leases/segmentation-operator';
/** Deadline for another replica to take the Lease, whose duration is eight seconds. */
const TAKEOVER_MS = 60_000;
/** Longer than a new leader needs to read peer sources and begin to write. */
const STALE_MS = 1500;
/** Long enough for a leader on a busy machine to renew its Lease. */
const RENEW_DEADLINE_MS = 6000;
/** Delay of a request on a busy machine. The Lease lasts two seconds longer than the renew deadline. */
const SLACK_MS = 1500;

interface Replica {
  readonly proxy: ApiProxy;
  readonly operator: Operator;
}

describe('leader election', function () {
  this.timeout(240_000);
  const operators = new Operators();
  let plane: ControlPlane;
  let box: Sandbox;
  let replicas: Replica[];

  before(async () => {
    plane = await sharedControlPlane();
  });
  beforeEach(async () => {
    box = new Sandbox(plane, 'leaders');
    replicas = [];
    // A killed replica may still be the holder.
    await plane.admin.send('DELETE', LEASE).catch(() => {});
  });
  afterEach(async () => {
    await operators.end();
    for (const { proxy } of replicas) await proxy.stop();
    await box.remove();
  });

  async function start(preload?: string): Promise<Replica> {
    const proxy = await ApiProxy.start(await installOperator(plane));
    const config = join(plane.directory, 'leaders.yaml');
    const times = 'leaseDuration: 8s, renewDeadline: 6s, retryPeriod: 500ms';
    writeFileSync(
      config,
      [
        'apiVersion: config.segmentation.dev/v1alpha1',
        'kind: OperatorConfiguration',
        `leaderElection: {enabled: true, ${times}}`,
      ].join('\n'),
    );
    const operator = operators.launch(
      [`--kubeconfig=${proxy.kubeconfig}`, `--config=${config}`, '--log-level=debug'],
      preload,
    );
    replicas.push({ proxy, operator });
    await operator.line('caches filled');
    return { proxy, operator };
  }

  /** Starts a leader and a standby. The leader writes policies in a namespace with a pod. */
  async function prepare(): Promise<{
    leader: Replica;
    standby: Replica;
    namespace: string;
    profile: string;
  }> {
    const leader = await start();
    await leader.operator.line('leading');
    const standby = await start();
    const namespace = await box.namespace('shop');
    await box.pod(namespace, 'web', { app: 'web' });
    const profile = await box.profile('p', { ingress: rules('203.0.113.0/25') });
    await box.ready(profile);
    return { leader, standby, namespace, profile };
  }

  const rules = (cidr: string) =>
    ['r1', 'r2', 'r3'].map((name) => ({
      name,
      podSelector: { matchLabels: { app: 'web', rule: name } },
      from: [{ ipBlock: { cidr } }],
    }));
  const allowed = async (namespace: string, profile: string) => {
    const { spec } = await box.policy(namespace, `${profile}.ingress.r3`);
    return spec.ingress?.[0]?.from?.[0]?.ipBlock?.cidr;
  };
  const versions = async (namespace: string) =>
    (await box.policies(namespace)).map(({ metadata }) => metadata.resourceVersion);
  const holder = async () => ((await box.read(LEASE))['spec'] as { holderIdentity?: string }).holderIdentity;
  /** True for writes that only the leader may make. */
  const guarded = ({ resource }: { resource: string }) =>
    resource === 'networkpolicies' || resource.startsWith('segmentationprofiles');

  it('ends a leader that was frozen during a write and wakes up after its Lease, without another write', async () => {
    const { leader, standby, namespace, profile } = await prepare();
    let frozen = false;
    leader.proxy.intercept = async (exchange: Exchange) => {
      if (frozen || exchange.method !== 'PUT' || exchange.resource !== 'networkpolicies')
        return exchange.pass();
      frozen = true;
      leader.operator.pause();
      await exchange.pass(); // the frozen leader finds the answer when it wakes up
    };
    await box.edit(profile, { ingress: rules('203.0.113.0/24') });
    await eventually(() => assert.ok(frozen, 'the leader made no write at which to freeze it'));
    await standby.operator.line('leading', TAKEOVER_MS);
    await box.edit(profile, { ingress: rules('198.51.100.0/24') });
    await eventually(async () => {
      assert.equal(await allowed(namespace, profile), '198.51.100.0/24');
      await box.ready(profile);
    }, TAKEOVER_MS);
    const before = {
      versions: await versions(namespace),
      writes: leader.proxy.writes.filter(guarded).length,
    };
    leader.operator.resume();
    assert.deepEqual(await leader.operator.end(), { code: 1, signal: null });
    assert.deepEqual(
      leader.proxy.writes.filter(guarded).slice(before.writes),
      [],
      'writes after the Lease had expired',
    );
    assert.deepEqual(await versions(namespace), before.versions);
  });

  it('keeps a leader from writing after its renew deadline, even if no timer has fired', async () => {
    const leader = await start(join(import.meta.dirname, '../support/clocks/late-clock.ts'));
    await leader.operator.line('leading');
    const namespace = await box.namespace('shop');
    const profile = await box.profile('p');
    await box.ready(profile);
    leader.proxy.intercept = (exchange: Exchange) =>
      exchange.resource === 'leases' ? undefined : exchange.pass();
    await leader.operator.skipMinute();
    const before = leader.proxy.writes.length;
    await box.deletePolicy(namespace, `${profile}.default-deny`);
    assert.deepEqual(await leader.operator.end(), { code: 1, signal: null });
    assert.deepEqual(leader.proxy.writes.slice(before).filter(guarded), []);
    const refused = leader.operator.log().includes('this replica does not lead');
    assert.ok(refused, 'the leader did not try to write');
  });

  it('lets a leader that is stopped complete its plan before it releases the Lease', async () => {
    const { leader, standby, namespace, profile } = await prepare();
    for (const each of CACHED)
      assert.equal(standby.proxy.watches(each).length, 1, `the standby watches ${each}`);
    let ended: Promise<Exit> | undefined;
    leader.proxy.intercept = async (exchange: Exchange) => {
      if (ended === undefined && exchange.method === 'PUT' && exchange.resource === 'networkpolicies') {
        ended = leader.operator.stop();
        await leader.operator.line('stopping');
      }
      await exchange.pass();
    };
    const before = leader.proxy.writes.length;
    const held = await holder();
    await box.edit(profile, { ingress: rules('198.51.100.0/24') });
    await eventually(() =>
      assert.ok(ended !== undefined, 'the leader made no write during which to stop it'),
    );
    assert.deepEqual(await ended, { code: 0, signal: null });
    const written = leader.proxy.writes
      .slice(before)
      .filter(({ resource }) => resource === 'networkpolicies');
    assert.ok(written.length > 3, 'the plan has several writes: additions first, then removals');
    assert.equal(leader.proxy.writes.at(-1)?.resource, 'leases');
    assert.notEqual(await holder(), held, 'the leader has not released the Lease');
    await standby.operator.line('leading', TAKEOVER_MS);
    await box.ready(profile);
    assert.equal(await allowed(namespace, profile), '198.51.100.0/24');
    assert.deepEqual(
      standby.proxy.writes.filter(({ resource }) => resource === 'networkpolicies'),
      [],
    );
  });

  it('keeps a leader without a connection from writing after its renew deadline, and the standby takes over', async () => {
    const { leader, standby, namespace, profile } = await prepare();
    leader.proxy.intercept = () => {}; // no answer to anything
    const cut = performance.now();
    await box.deletePolicy(namespace, `${profile}.ingress.r3`);
    await standby.operator.line('leading', TAKEOVER_MS);
    const taken = performance.now();
    await eventually(() => allowed(namespace, profile), TAKEOVER_MS);
    assert.deepEqual(await leader.operator.end(), { code: 1, signal: null });
    const late = leader.proxy.writes
      .filter(guarded)
      .filter(({ at }) => at > cut + RENEW_DEADLINE_MS + SLACK_MS);
    assert.deepEqual(
      late,
      [],
      `writes after the renew deadline; the standby took over after ${taken - cut} ms`,
    );
  });

  it('keeps a new leader with stale watches from writing', async () => {
    const { leader, standby, namespace, profile } = await prepare();
    const held: (() => void)[] = [];
    standby.proxy.interceptLine = (line, watch) => {
      if (!['segmentationprofiles', 'namespaces'].includes(watch.resource)) watch.send(line);
      else held.push(() => watch.send(line));
    };
    await box.edit(profile, { ingress: rules('198.51.100.0/24') });
    await eventually(async () => {
      assert.equal(await allowed(namespace, profile), '198.51.100.0/24');
    });
    await box.ready(profile);
    const before = await versions(namespace);
    await leader.operator.kill();
    await standby.operator.line('leading', TAKEOVER_MS);
    await consistently(async () => assert.deepEqual(await versions(namespace), before), STALE_MS);
    standby.proxy.interceptLine = undefined;
    for (const send of held) send();
    await box.edit(profile, { ingress: rules('203.0.113.0/25') });
    await eventually(async () => {
      assert.equal(await allowed(namespace, profile), '203.0.113.0/25');
    }, TAKEOVER_MS);
  });
});
