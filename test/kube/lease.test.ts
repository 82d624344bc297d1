// Leader election on a virtual clock: never two leaders, and a new one after each failure.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { sleep } from '../../src/util/clock.ts';
import { LeaderElector } from '../../src/kube/lease.ts';
import type { LeaderElectorOptions } from '../../src/kube/lease.ts';
import { VirtualClock } from '../support/clocks/virtual-clock.ts';
import { Host, LeaseModel, seeded } from './lease-model.ts';
import type { Network } from './lease-model.ts';
import { runs } from '../policy/fixture.ts';

const LEASE = 15_000;
const RETRY = 2000;
const WEEK = 7 * 24 * 3_600_000;

interface ReplicaOptions {
  readonly clock: VirtualClock;
  readonly model: LeaseModel;
  readonly random: () => number;
  /** Difference of its clocks from the virtual clock, milliseconds. */
  readonly offset?: number;
}

class Replica {
  readonly host: Host;
  readonly elector: LeaderElector;
  readonly errors: unknown[] = [];
  readonly leaders: string[] = [];
  slowPaths = 0;
  /** True while the replica's work runs; `stoppedAt` is when its signal was aborted, on the virtual clock. */
  working = false;
  stoppedAt: number | undefined;
  terms = 0;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(name: string, { clock, model, random, offset = 0 }: ReplicaOptions) {
    this.host = new Host(clock, offset);
    this.elector = new LeaderElector({
      leases: model.client(this.host),
      namespace: 'system',
      name: 'leader',
      identity: name,
      clock: this.host,
      random,
      onError: (error) => this.errors.push(error),
      onSlowPath: () => (this.slowPaths += 1),
      onNewLeader: (identity) => this.leaders.push(identity),
    });
    this.#running = this.#run(clock);
  }

  stop(): Promise<void> {
    this.#stop.abort();
    return this.#running;
  }

  async #run(clock: VirtualClock): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.elector.run(signal, async (term) => {
        this.working = true;
        this.terms += 1;
        this.stoppedAt = undefined;
        await new Promise((resolve) => term.addEventListener('abort', resolve));
        this.stoppedAt = clock.monotonic();
        // Work in progress takes a while to end.
        await sleep(this.host, 100);
        this.working = false;
      });
    }
  }
}

function setUp(names: readonly string[], network: Network = { latencyMs: 10, loss: 0 }, seed = 1) {
  const clock = new VirtualClock();
  const random = seeded(seed);
  const model = new LeaseModel(clock, random, network);
  const replicas = names.map((name, i) => new Replica(name, { clock, model, random, offset: i * 3_600_000 }));
  const leading = () => replicas.filter(({ elector }) => elector.leading);
  const end = async () => {
    const stopped = Promise.all(replicas.map((replica) => replica.stop()));
    for (const { host } of replicas) host.resume();
    await clock.advance(60_000);
    await stopped;
  };
  return { clock, model, replicas, leading, end };
}

describe('LeaderElector', () => {
  it('never has two leaders, and has one again soon after faults end', async () => {
    const run = async (seed: number, loss: number, latencyMs: number) => {
      const network = { loss, latencyMs };
      const { clock, replicas, leading, end } = setUp(['a', 'b', 'c'], network, seed);
      const chance = seeded(seed + 1);
      const check = () => {
        const names = leading().map(({ elector }) =>
          replicas.findIndex((replica) => replica.elector === elector),
        );
        assert.ok(names.length <= 1, `replicas ${names.join(' and ')} lead`);
      };
      for (let i = 0; i < 40; i++) {
        for (const { host } of replicas) {
          const draw = chance();
          if (draw < 0.1) host.pause();
          else if (draw < 0.2) host.resume();
          else if (draw < 0.3) host.jump((chance() - 0.5) * WEEK);
        }
        await clock.advance(chance() * 5000, check);
      }
      Object.assign(network, { loss: 0, latencyMs: 20 });
      for (const { host } of replicas) host.resume();
      await clock.advance(LEASE + RETRY + 1000, check);
      assert.equal(leading().length, 1, 'nobody leads');
      await end();
    };
    const loss = fc.constantFrom(0, 0.1, 0.5);
    const latency = fc.constantFrom(10, 1000, 8000);
    await fc.assert(fc.asyncProperty(fc.integer(), loss, latency, run), { numRuns: runs(150) });
  });

  it('replaces a leader that died, within the lease duration and a retry period', async () => {
    const { clock, replicas, leading, end } = setUp(['a', 'b']);
    await clock.advance(20_000);
    const [first] = leading();
    first?.host.pause();
    const died = clock.monotonic();
    while (leading().length === 0 || leading()[0] === first) await clock.advance(50);
    const took = clock.monotonic() - died;
    assert.ok(took > LEASE - 2 * RETRY && took <= LEASE + RETRY, `${took} ms`);
    const second = leading()[0];
    assert.ok(second !== undefined && second !== first);
    first?.host.resume();
    assert.equal(first?.elector.leading, false, 'before any timer has run');
    await clock.advance(10_000);
    assert.deepEqual(leading(), [second]);
    assert.equal(replicas.filter(({ working }) => working).length, 1);
    await end();
  });

  it('releases the Lease as soon as the leader and its work have ended', async () => {
    const { clock, model, replicas, leading, end } = setUp(['a', 'b']);
    await clock.advance(5000);
    const [first] = leading();
    assert.ok(first !== undefined);
    const stopped = first.stop();
    await clock.advance(90);
    assert.equal(model.lease?.spec?.holderIdentity === '', false, 'its work still ends');
    await clock.advance(RETRY + 200);
    await stopped;
    assert.equal(first.working, false);
    assert.deepEqual(
      leading(),
      replicas.filter((replica) => replica !== first),
    );
    await end();
  });

  it('aborts the work at the renew deadline if it can not renew', async () => {
    const network = { latencyMs: 10, loss: 0 };
    const { clock, replicas, end } = setUp(['a'], network);
    await clock.advance(5000);
    network.loss = 1;
    const [a] = replicas;
    const since = clock.monotonic();
    await clock.advance(LEASE);
    assert.ok(a?.stoppedAt !== undefined);
    const after = a.stoppedAt - since;
    assert.ok(after <= 10_000 && after >= 10_000 - RETRY - 20, `${after} ms`);
    assert.equal(a.elector.leading, false);
    assert.ok(a.errors.length > 0);
    await end();
  });

  it('renews with one request in each retry period, without errors', async () => {
    const { clock, model, replicas, end } = setUp(['a']);
    await clock.advance(1000);
    const before = Number(model.lease?.metadata.resourceVersion);
    await clock.advance(60_000);
    const renewals = Number(model.lease?.metadata.resourceVersion) - before;
    assert.ok(renewals >= 29 && renewals <= 30, `${renewals} renewals`);
    assert.deepEqual([replicas[0]?.errors, replicas[0]?.slowPaths], [[], 0]);
    await end();
  });

  it('keeps fields that others wrote to the Lease, and continues to lead', async () => {
    const { clock, model, replicas, leading, end } = setUp(['a']);
    await clock.advance(1000);
    const lease = model.lease;
    assert.ok(lease !== undefined);
    model.lease = {
      ...lease,
      metadata: { ...lease.metadata, labels: { by: 'hand' }, resourceVersion: '777' },
    };
    await clock.advance(60_000);
    assert.equal(leading().length, 1);
    assert.equal(replicas[0]?.terms, 1, 'its work was not interrupted');
    assert.deepEqual(model.lease.metadata.labels, { by: 'hand' });
    assert.equal(replicas[0]?.slowPaths, 1);
    await end();
  });

  it('stops at once if another replica holds the Lease', async () => {
    const { clock, model, replicas, leading, end } = setUp(['a']);
    await clock.advance(1000);
    const lease = model.lease;
    assert.ok(lease !== undefined);
    const spec = { ...lease.spec, holderIdentity: 'thief' };
    model.lease = { metadata: { ...lease.metadata, resourceVersion: '777' }, spec };
    await clock.advance(RETRY + 200);
    assert.deepEqual(leading(), []);
    assert.equal(replicas[0]?.working, false);
    assert.deepEqual(replicas[0]?.leaders, ['thief']);
    await end();
  });

  it('releases the Lease although it ends during a renewal whose answer it does not see', async () => {
    const network = { latencyMs: 10, loss: 0 };
    const { clock, model, replicas, end } = setUp(['a'], network);
    await clock.advance(1000);
    const before = model.lease?.metadata.resourceVersion;
    network.latencyMs = 400;
    while (model.lease?.metadata.resourceVersion === before) await clock.advance(1);
    const stopped = replicas[0]?.stop(); // committed, and the answer is on its way
    await clock.advance(RETRY);
    await stopped;
    assert.equal(model.lease?.spec?.holderIdentity, '');
    await end();
  });

  it('does not release a Lease that another replica has taken', async () => {
    const { clock, model, replicas, end } = setUp(['a']);
    await clock.advance(1000);
    const lease = model.lease;
    assert.ok(lease !== undefined);
    const spec = { ...lease.spec, holderIdentity: 'thief' };
    model.lease = { metadata: { ...lease.metadata, resourceVersion: '777' }, spec };
    const stopped = replicas[0]?.stop();
    await clock.advance(RETRY);
    await stopped;
    assert.equal(model.lease.spec?.holderIdentity, 'thief');
    await end();
  });

  it('waits for the lease duration after a Lease was deleted by hand', async () => {
    const { clock, model, leading, end } = setUp(['a', 'b']);
    await clock.advance(20_000);
    const [first] = leading();
    first?.host.pause();
    model.lease = undefined;
    const since = clock.monotonic();
    while (leading().length === 0 || leading()[0] === first) {
      await clock.advance(50, () => assert.ok(leading().length <= 1, 'both lead'));
      assert.ok(clock.monotonic() - since <= LEASE + 2 * RETRY, 'nobody takes over');
    }
    assert.ok(clock.monotonic() - since >= LEASE - 2 * RETRY);
    await end();
  });

  it('does not take a Lease whose duration was removed by hand', async () => {
    const { clock, model, leading, end } = setUp(['a', 'b']);
    await clock.advance(20_000);
    const lease = model.lease;
    assert.ok(lease !== undefined);
    const { leaseDurationSeconds: _, ...spec } = lease.spec ?? {};
    const [first] = leading();
    first?.host.pause();
    model.lease = { metadata: { ...lease.metadata, resourceVersion: '777' }, spec };
    await clock.advance(2 * RETRY, () => assert.deepEqual(leading(), [first]));
    first?.host.resume();
    await clock.advance(2 * RETRY, () => assert.deepEqual(leading(), [first]));
    assert.equal(model.lease.spec?.leaseDurationSeconds, LEASE / 1000);
    await end();
  });

  it('reports that it can not create the Lease if the namespace does not exist', async () => {
    const { clock, model, replicas, leading, end } = setUp(['a']);
    model.hasNamespace = false;
    await clock.advance(10_000);
    assert.match(String(replicas[0]?.errors[0]), /POST \/lease: 404 NotFound/);
    model.hasNamespace = true;
    await clock.advance(2 * RETRY);
    assert.equal(leading().length, 1);
    await end();
  });

  it('counts changes of the holder in leaseTransitions', async () => {
    const { clock, model, leading, end } = setUp(['a', 'b']);
    await clock.advance(1000);
    assert.equal(model.lease?.spec?.leaseTransitions, 0);
    const stopped = leading()[0]?.stop();
    await clock.advance(5000);
    await stopped;
    assert.equal(model.lease?.spec?.leaseTransitions, 1);
    assert.match(String(model.lease?.spec?.renewTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await end();
  });

  it('rejects with the error of its work, and releases the Lease', async () => {
    const clock = new VirtualClock();
    const model = new LeaseModel(clock, () => 0.5, { latencyMs: 0, loss: 0 });
    const host = new Host(clock, 0);
    const elector = new LeaderElector({ ...options(), leases: model.client(host), clock: host });
    const running = elector.run(new AbortController().signal, () => Promise.reject(new Error('broken')));
    const outcome = running.then(
      () => 'resolved',
      (error: unknown) => String(error),
    );
    await clock.advance(100);
    assert.equal(await outcome, 'Error: broken');
    assert.equal(model.lease?.spec?.holderIdentity, '');
  });

  describe('refuses options with', () => {
    const cases: [string, Partial<LeaderElectorOptions>, RegExp][] = [
      [
        'a lease duration as short as the renew deadline',
        { leaseDurationMs: 10_000 },
        /lease duration \(10000 ms\) must exceed the renew/,
      ],
      [
        'a renew deadline close to the retry period',
        { renewDeadlineMs: 2400 },
        /must exceed 1\.2 times the retry period/,
      ],
      ['no retry period', { retryPeriodMs: 0 }, /must be positive/],
      ['a retry period that is not a number', { retryPeriodMs: Number.NaN }, /must be positive/],
      ['a lease duration with a fraction of a second', { leaseDurationMs: 15_500 }, /whole seconds/],
      ['no identity', { identity: '' }, /needs an identity/],
    ];
    for (const [name, change, message] of cases) {
      it(name, () => assert.throws(() => new LeaderElector({ ...options(), ...change }), message));
    }
  });
});

function options(): LeaderElectorOptions {
  const clock = new VirtualClock();
  const model = new LeaseModel(clock, () => 0.5, { latencyMs: 0, loss: 0 });
  const host = new Host(clock, 0);
  return {
    leases: model.client(host),
    namespace: 'n',
    name: 'l',
    identity: 'i',
    clock: host,
    random: () => 0.5,
  };
}
