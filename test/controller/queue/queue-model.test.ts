/** The queue against its model, over random schedules of requests, outcomes, pauses and time. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { KeyQueue, type Outcome, Priority } from '../../../src/controller/queue/key-queue.ts';
import { QueueModel } from './queue-model.ts';
import { flush, VirtualClock } from '../../support/clocks/virtual-clock.ts';
import { runs } from '../../policy/fixture.ts';

const KEYS = ['a', 'b', 'c', 'd'];
const BACKOFF = { initialMs: 100, maxMs: 1500 };

type Request = { key: string; delay: number | undefined; priority: Priority };
type Step =
  | { do: 'request'; requests: Request[]; thenPause: boolean }
  | { do: 'finish'; which: number; how: Outcome | 'throw' }
  | { do: 'advance'; ms: number }
  | { do: 'pause' | 'resume' };

const priority = fc.constantFrom(...Object.values(Priority));
const delay = fc.nat(3000);
const outcome: fc.Arbitrary<Outcome | 'throw'> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Outcome>({ kind: 'done' }) },
  fc.record(
    { kind: fc.constant('again' as const), afterMs: delay, priority },
    { requiredKeys: ['kind', 'afterMs'] },
  ),
  fc.record(
    { kind: fc.constant('retry' as const), error: fc.constant('refused'), retryAfterMs: delay },
    { requiredKeys: ['kind', 'error'] },
  ),
  fc.constant('throw' as const),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('request' as const),
      requests: fc.array(
        fc.record({ key: fc.constantFrom(...KEYS), delay: fc.option(delay, { nil: undefined }), priority }),
        { minLength: 1, maxLength: 4 },
      ),
      thenPause: fc.nat(15).map((chance) => chance === 0),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(9), how: outcome }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: delay }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const, 'resume' as const) }),
  },
);

/** Runs one schedule; the model judges every start, and after each moment that nothing is left undone. */
async function play(steps: Step[], concurrency: number, random: number): Promise<void> {
  const clock = new VirtualClock();
  const model = new QueueModel(concurrency, BACKOFF, random);
  const running = new Map<string, PromiseWithResolvers<Outcome>>();
  let started: string[] = [];
  const lastAdd = new Map<string, number>();
  const lastStart = new Map<string, number>();
  let moment = 0;
  const queue = new KeyQueue<string>({
    identify: (key) => key,
    concurrency,
    clock,
    random: () => random,
    backoff: BACKOFF,
  });
  queue.start((key) => {
    assert.ok(!running.has(key), `${key} runs twice at once`);
    const run = Promise.withResolvers<Outcome>();
    running.set(key, run);
    started.push(key);
    lastStart.set(key, ++moment);
    return run.promise;
  });
  const judge = () => {
    model.tick(clock.monotonic());
    for (const key of started) model.start(key);
    started = [];
    assert.ok(running.size <= concurrency);
    assert.deepEqual(model.owed(), [], `left undone at ${clock.monotonic()}: ${model.toString()}`);
    const { ready, waiting, running: runs } = queue.stats();
    const total = Object.values(ready).reduce((sum, count) => sum + count, 0);
    assert.deepEqual({ ready: total, waiting, running: runs }, model.count());
    assert.equal(clock.nextAt, model.nextDue, 'the timers are those of the waits, and no more');
  };
  const finish = async (key: string, how: Outcome | 'throw') => {
    const run = running.get(key)!;
    running.delete(key);
    if (how === 'throw') run.reject(new Error('panic'));
    else run.resolve(how);
    model.finish(key, how === 'throw' ? { kind: 'retry', error: 'panic' } : how);
    await flush();
    judge();
  };

  for (const step of steps) {
    if (step.do === 'request') {
      for (const { key, delay, priority } of step.requests) {
        if (delay === undefined) {
          queue.add(key, priority);
          lastAdd.set(key, ++moment);
        } else queue.addAfter(key, delay, priority);
        model.request(key, clock.monotonic() + (delay ?? 0), priority);
      }
      if (step.thenPause) {
        queue.pause();
        model.paused = true;
      }
      await flush();
      judge();
    } else if (step.do === 'finish') {
      const key = [...running.keys()][step.which % running.size];
      if (key !== undefined) await finish(key, step.how);
    } else if (step.do === 'advance') {
      await clock.advance(step.ms, judge);
    } else {
      model.paused = step.do === 'pause';
      if (model.paused) queue.pause();
      else queue.resume();
      await flush();
      judge();
    }
  }

  queue.resume();
  model.paused = false;
  await flush();
  judge();
  while (running.size > 0 || clock.pending > 0) {
    for (const key of running.keys()) await finish(key, { kind: 'done' });
    if (running.size === 0) await clock.advance(10_000, judge);
  }
  await queue.idle();
  for (const [key, added] of lastAdd)
    assert.ok(lastStart.get(key)! > added, `no run of ${key} after its last add`);
  assert.deepEqual(queue.stats(), {
    ready: { live: 0, drift: 0, retry: 0, backfill: 0 },
    waiting: 0,
    running: 0,
    unfinishedMs: 0,
    longestMs: 0,
  });
}

describe('work queue, compared with a model of it,', () => {
  it('never runs a key twice at once, loses none, and keeps to order, delays and concurrency', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 80, size: 'max' }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(0, 0.25, 0.5, 0.9375),
        play,
      ),
      { numRuns: runs(1000) },
    );
  });
});
