import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { Outcome } from '../../../src/canary/model/flow-book.ts';
import { FLIPPED_POLICY } from '../../../src/canary/model/names.ts';
import { type Change, flip, flips } from '../../../src/canary/probe/flip.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import type { Clock } from '../../../src/util/clock.ts';
import { IN_1, IN_2, OUT_1, OUT_2, surroundings } from '../fixture.ts';

const notFound = () =>
  new ApiError({ method: 'DELETE', path: 'x', status: 404, reason: 'NotFound', message: 'not found' });

/** An engine that enforces each change after `delayMs`, on a clock that runs as attempts and pauses take time. */
class Engine {
  now = 0;
  exists = false;
  changedAt = Number.NEGATIVE_INFINITY;
  delayMs: number;
  refusal: ApiError | undefined;
  readonly measured: string[] = [];
  /** Outcomes in place of the engine's, one for each attempt. */
  readonly noise: Outcome[] = [];

  constructor(delayMs: number, exists = false) {
    this.delayMs = delayMs;
    this.exists = exists;
  }

  readonly clock: Clock = {
    now: () => this.now,
    monotonic: () => this.now,
    schedule: (delay, callback) => {
      this.now += delay;
      queueMicrotask(callback);
      return { cancel: () => {} };
    },
  };

  run(at = surroundings(OUT_1, { pods: [OUT_1, IN_2] })): Promise<void> {
    return flip(
      at,
      {
        clock: this.clock,
        policies: {
          create: (policy: NetworkPolicy) => {
            assert.equal(policy.metadata.name, FLIPPED_POLICY);
            if (this.refusal !== undefined) return Promise.reject(this.refusal);
            [this.exists, this.changedAt] = [true, this.now];
            return Promise.resolve(policy);
          },
          delete: () => {
            if (!this.exists) return Promise.reject(notFound());
            [this.exists, this.changedAt] = [false, this.now];
            return Promise.resolve(undefined);
          },
        },
        attempt: () => {
          this.now += 10;
          const noise = this.noise.shift();
          if (noise !== undefined) return Promise.resolve(noise);
          const isEnforced = this.now - this.changedAt >= this.delayMs;
          return Promise.resolve<Outcome>(
            this.exists === isEnforced ? { kind: 'passed', seenAs: '' } : { kind: 'blocked', how: 'timeout' },
          );
        },
        onMeasured: (change: Change, latencyMs) =>
          void this.measured.push(
            `${change} ${latencyMs === undefined ? 'never' : Math.round(latencyMs / 1000)}`,
          ),
      },
      new AbortController().signal,
    );
  }
}

describe('latency of enforcement', () => {
  it('is measured for allow and deny, in seconds of a slow engine', async () => {
    const engine = new Engine(7000);
    await engine.run();
    assert.deepEqual(engine.measured, ['allow 7', 'deny 7']);
    assert.equal(engine.exists, false);
  });

  it('is unknown if a change has no effect within a minute, whose end is not measured then', async () => {
    const engine = new Engine(300_000);
    await engine.run();
    assert.deepEqual(engine.measured, ['allow never']);
    assert.equal(engine.exists, false);
  });

  it('does not take one lost packet for a denial', async () => {
    const engine = new Engine(5000);
    engine.noise.push({ kind: 'blocked', how: 'timeout' }, { kind: 'blocked', how: 'timeout' });
    engine.noise.push({ kind: 'passed', seenAs: '' }, { kind: 'blocked', how: 'timeout' });
    await engine.run();
    assert.deepEqual(engine.measured, ['allow 0', 'deny 5']);
  });

  it('begins with the deletion of what an earlier process left', async () => {
    const engine = new Engine(1000, true);
    await engine.run();
    assert.deepEqual(engine.measured, ['allow 1', 'deny 1']);
  });

  it('ends with the error of a refused write, and leaves no policy', async () => {
    const engine = new Engine(0);
    engine.refusal = new ApiError({
      method: 'POST',
      path: 'x',
      status: 403,
      reason: 'Forbidden',
      message: 'quota',
    });
    await assert.rejects(engine.run(), /quota/);
    assert.equal(engine.exists, false);
    assert.deepEqual(engine.measured, []);
  });

  it('is not measured where a foreign policy opens the port anyway', async () => {
    const engine = new Engine(0);
    const foreign = {
      metadata: { name: 'all', namespace: 'segmentation-canary' },
      spec: { podSelector: {}, policyTypes: ['Ingress' as const], ingress: [{}] },
    };
    const at = surroundings(OUT_1);
    await engine.run({ ...at, policies: [...at.policies, foreign] });
    assert.deepEqual(engine.measured, []);
  });

  it('is measured by the first Ready probe outside', () => {
    assert.equal(flips(surroundings(OUT_1)), true);
    assert.equal(flips(surroundings(OUT_2)), false);
    assert.equal(flips(surroundings(IN_1)), false);
    assert.equal(flips(surroundings(OUT_2, { pods: [IN_1, { ...OUT_1, isReady: false }, OUT_2] })), true);
  });

  it('waits for a Ready target whose ingress policies isolate', () => {
    assert.equal(flips(surroundings(OUT_1, { policies: [] })), false);
    assert.equal(flips(surroundings(OUT_1, { pods: [{ ...IN_1, isReady: false }, OUT_1] })), false);
  });
});
