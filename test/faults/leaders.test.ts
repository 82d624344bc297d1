// Two replicas, each behind a proxy of its own: what a former leader still does, and what a new one starts from.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { consistently, eventually, Sandbox } from '../support/cluster.ts';
import { type Exit, installOperator, type Operator, Operators } from '../support/operator.ts';
import { ApiProxy, type Exchange } from './api-proxy.ts';
import { CACHED } from './troubles.ts';

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/segmentation-system/leases/segmentation-operator';
const TAKEOVER = 20_000; // ms; the lease lasts for four seconds
const STALE = 1500; // ms; in less it has read what peers are resolved from, and begins to write
const RENEW_DEADLINE = 3000; // ms
/** How late a request may reach us on a busy machine, in milliseconds; the Lease lasts a second longer than the deadline. */
const SLACK = 500;

interface Replica {
  readonly proxy: ApiProxy;
  readonly operator: Operator;
}

describe('of two replicas', function () {
  this.timeout(90_000);
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
    // Somebody who was killed may still seem to hold it.
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
    const times = 'leaseDuration: 4s, renewDeadline: 3s, retryPeriod: 500ms';
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

  /** A leader and a standby, and a namespace with a pod and with policies that the leader has written. */
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
    await box.ready(profile, 10_000);
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
  /** What only the leader may write. */
  const guarded = ({ resource }: { resource: string }) =>
    resource === 'networkpolicies' || resource.startsWith('segmentationprofiles');

  it('a leader that is frozen within its writes makes no other when it wakes up after its time', async () => {
    const { leader, standby, namespace, profile } = await prepare();
    let frozen = false;
    leader.proxy.fault = async (exchange: Exchange) => {
      if (frozen || exchange.method !== 'PUT' || exchange.resource !== 'networkpolicies')
        return exchange.pass();
      frozen = true;
      leader.operator.pause();
      await exchange.pass(); // the answer is there for it when it wakes up
    };
    await box.edit(profile, { ingress: rules('203.0.113.0/24') });
    await eventually(() => assert.ok(frozen, 'no write to freeze it at'));
    await standby.operator.line('leading', TAKEOVER);
    await box.edit(profile, { ingress: rules('198.51.100.0/24') });
    await eventually(async () => {
      assert.equal(await allowed(namespace, profile), '198.51.100.0/24');
      await box.ready(profile);
    }, TAKEOVER);
    const before = {
      versions: await versions(namespace),
      writes: leader.proxy.writes.filter(guarded).length,
    };
    leader.operator.resume();
    assert.deepEqual(await leader.operator.end(), { code: 1, signal: null });
    assert.deepEqual(leader.proxy.writes.filter(guarded).slice(before.writes), [], 'written after its time');
    assert.deepEqual(await versions(namespace), before.versions);
  });

  it('a leader whose time passed unnoticed writes nothing, though no timer has told it to end', async () => {
    const leader = await start(join(import.meta.dirname, '../support/late-clock.ts'));
    await leader.operator.line('leading');
    const namespace = await box.namespace('shop');
    const profile = await box.profile('p');
    await box.ready(profile, 10_000);
    leader.proxy.fault = (exchange: Exchange) =>
      exchange.resource === 'leases' ? undefined : exchange.pass();
    await leader.operator.skipMinute();
    const before = leader.proxy.writes.length;
    await box.deletePolicy(namespace, `${profile}.default-deny`);
    assert.deepEqual(await leader.operator.end(), { code: 1, signal: null });
    assert.deepEqual(leader.proxy.writes.slice(before).filter(guarded), []);
    const refused = leader.operator.log().includes('this replica does not lead');
    assert.ok(refused, 'it did not try to write');
  });

  it('a leader that is told to end completes what it has begun, and gives the Lease back after that', async () => {
    const { leader, standby, namespace, profile } = await prepare();
    for (const each of CACHED) assert.equal(standby.proxy.watches(each).length, 1, `${each} are kept warm`);
    let ended: Promise<Exit> | undefined;
    leader.proxy.fault = async (exchange: Exchange) => {
      if (ended === undefined && exchange.method === 'PUT' && exchange.resource === 'networkpolicies') {
        ended = leader.operator.stop();
        await leader.operator.line('stopping');
      }
      await exchange.pass();
    };
    const before = leader.proxy.writes.length;
    await box.edit(profile, { ingress: rules('198.51.100.0/24') });
    await eventually(() => assert.ok(ended !== undefined, 'no write within which to end'));
    assert.deepEqual(await ended, { code: 0, signal: null });
    const written = leader.proxy.writes
      .slice(before)
      .filter(({ resource }) => resource === 'networkpolicies');
    assert.ok(written.length > 3, 'one after the other, and then what was allowed before is taken away');
    assert.equal(leader.proxy.writes.at(-1)?.resource, 'leases');
    await standby.operator.line('leading', RENEW_DEADLINE);
    await box.ready(profile, 10_000);
    assert.equal(await allowed(namespace, profile), '198.51.100.0/24');
    assert.deepEqual(
      standby.proxy.writes.filter(({ resource }) => resource === 'networkpolicies'),
      [],
    );
  });

  it('a leader that is cut off makes no write after its time, and the other one takes over', async () => {
    const { leader, standby, namespace, profile } = await prepare();
    leader.proxy.fault = () => {}; // no answer to anything
    const cut = performance.now();
    await box.deletePolicy(namespace, `${profile}.ingress.r3`);
    await standby.operator.line('leading', TAKEOVER);
    const taken = performance.now();
    await eventually(() => allowed(namespace, profile), TAKEOVER);
    assert.deepEqual(await leader.operator.end(), { code: 1, signal: null });
    const late = leader.proxy.writes.filter(guarded).filter(({ at }) => at > cut + RENEW_DEADLINE + SLACK);
    assert.deepEqual(late, [], `written later than the renew deadline; taken over after ${taken - cut} ms`);
  });

  it('a new leader writes nothing that its watches are too old for', async () => {
    const { leader, standby, namespace, profile } = await prepare();
    const held: (() => void)[] = [];
    standby.proxy.lineFault = (line, watch) => {
      if (!['segmentationprofiles', 'namespaces'].includes(watch.resource)) watch.send(line);
      else held.push(() => watch.send(line));
    };
    await box.edit(profile, { ingress: rules('198.51.100.0/24') });
    await eventually(async () => {
      assert.equal(await allowed(namespace, profile), '198.51.100.0/24');
    });
    await box.ready(profile, 10_000);
    const before = await versions(namespace);
    await leader.operator.kill();
    await standby.operator.line('leading', TAKEOVER);
    await consistently(async () => assert.deepEqual(await versions(namespace), before), STALE);
    standby.proxy.lineFault = undefined;
    for (const send of held) send();
    await box.edit(profile, { ingress: rules('203.0.113.0/25') });
    await eventually(async () => {
      assert.equal(await allowed(namespace, profile), '203.0.113.0/25');
    }, TAKEOVER);
  });
});
