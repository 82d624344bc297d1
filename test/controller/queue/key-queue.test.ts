import assert from 'node:assert/strict';
import { systemClock } from '../../../src/util/clock.ts';
import { EventLoopYield } from '../../../src/controller/queue/event-loop-yield.ts';
import {
  type Retry,
  KeyQueue,
  type Outcome,
  Priority,
  type QueueOptions,
  type Work,
} from '../../../src/controller/queue/key-queue.ts';
import { sleep } from '../../../src/util/clock.ts';
import { flush, VirtualClock } from '../../support/clocks/virtual-clock.ts';

/** A queue whose runs are recorded, and end with what `answers` holds for the key, in turn, then with `done`. */
function harness({
  answers = {},
  work,
  ...options
}: Partial<QueueOptions<string>> & { answers?: Record<string, Outcome[]>; work?: Work<string> } = {}) {
  const clock = new VirtualClock();
  const runs: Array<[key: string, at: number]> = [];
  const failures: Retry<string>[] = [];
  const waits: number[] = [];
  const queue = new KeyQueue<string>({
    identify: (key) => key,
    concurrency: 1,
    clock,
    random: () => 1,
    observer: { onRetry: (failure) => failures.push(failure), onStart: (waited) => waits.push(waited) },
    ...options,
  });
  queue.start(
    work ??
      (async (key) => {
        runs.push([key, clock.monotonic()]);
        return answers[key]?.shift() ?? { kind: 'done' };
      }),
  );
  return { clock, queue, runs, failures, waits };
}

const refused = (retryAfterMs?: number): Outcome => ({
  kind: 'retry',
  error: new Error('refused'),
  retryAfterMs,
});

describe('work queue', () => {
  it('runs the most urgent key first, and the oldest among equals', async () => {
    const { queue, runs } = harness();
    queue.add('one', Priority.backfill);
    queue.add('two', Priority.drift);
    queue.add('three', Priority.live);
    queue.add('four', Priority.backfill);
    queue.add('five', Priority.live);
    await queue.idle();
    assert.deepEqual(
      runs.map(([key]) => key),
      ['three', 'five', 'two', 'one', 'four'],
    );
  });

  it('lets the event loop turn between runs that wait for nothing', async () => {
    let turns = 0;
    const ticking = setInterval(() => (turns += 1), 1);
    const eventLoop = new EventLoopYield(systemClock);
    const { queue } = harness({
      clock: systemClock,
      concurrency: 8,
      beforeRun: () => eventLoop.beforeRun(),
      work: async () => {
        // All of it on the processor.
        for (const end = performance.now() + 0.2; performance.now() < end; );
        return { kind: 'done' };
      },
    });
    for (let index = 0; index < 500; index++) queue.add(`key-${index}`, Priority.backfill);
    await queue.idle();
    clearInterval(ticking);
    // A hundred milliseconds of work: as one turn, none would have come in between.
    assert.ok(turns > 3, `the event loop turned ${turns} times`);
  });

  it('begins no run before add has returned', async () => {
    const { queue, runs } = harness();
    queue.add('a', Priority.live);
    assert.equal(runs.length, 0);
    await queue.idle();
    assert.equal(runs.length, 1);
  });

  it('runs a key once however often it was added before the run', async () => {
    const { queue, runs } = harness();
    for (const priority of Object.values(Priority)) queue.add('a', priority);
    queue.addAfter('a', 50, Priority.live);
    await queue.idle();
    assert.deepEqual(runs, [['a', 0]]);
    assert.equal(queue.stats().waiting, 0);
  });

  it('runs a key again that was added during its run, at the highest priority asked for', async () => {
    const order: string[] = [];
    const queue: KeyQueue<string> = new KeyQueue({
      identify: (key) => key,
      concurrency: 1,
      clock: new VirtualClock(),
      random: Math.random,
    });
    queue.start(async (key) => {
      order.push(key);
      if (order.length === 1) {
        queue.add('b', Priority.drift);
        queue.add('a', Priority.backfill);
        queue.add('a', Priority.live);
      }
      return { kind: 'done' };
    });
    queue.add('a', Priority.backfill);
    await queue.idle();
    assert.deepEqual(order, ['a', 'a', 'b']);
  });

  it('backs off exponentially up to the limit, and starts over after a success', async () => {
    const answers = {
      a: [...Array.from({ length: 4 }, () => refused()), { kind: 'done' } as const, refused()],
    };
    const { clock, queue, runs } = harness({ answers, backoff: { initialMs: 100, maxMs: 350 } });
    queue.add('a', Priority.live);
    await clock.advance(100 + 200 + 350 + 350);
    queue.add('a', Priority.live);
    await clock.advance(99);
    assert.deepEqual(
      runs.map(([, at]) => at),
      [0, 100, 300, 650, 1000, 1000],
    );
    await clock.advance(1);
    assert.equal(runs.at(-1)?.[1], 1100);
  });

  it('spreads retries over the second half of the backoff', async () => {
    const { clock, queue, runs } = harness({ answers: { a: [refused()] }, random: () => 0 });
    queue.add('a', Priority.live);
    await clock.advance(200);
    assert.deepEqual(runs, [
      ['a', 0],
      ['a', 100],
    ]);
  });

  it('lets an event end a backoff early, and goes on counting failures', async () => {
    const { clock, queue, runs, failures } = harness({ answers: { a: [refused(), refused(), refused()] } });
    queue.add('a', Priority.live);
    await clock.advance(10);
    queue.add('a', Priority.live);
    await clock.advance(10);
    assert.deepEqual(runs, [
      ['a', 0],
      ['a', 10],
    ]);
    assert.deepEqual(
      failures.map(({ failures, delayMs }) => [failures, delayMs]),
      [
        [1, 200],
        [2, 400],
      ],
    );
  });

  it('completes a backfill although more keys than there are slots fail for ever before it', async () => {
    const clock = new VirtualClock();
    const done = new Set<string>();
    const { queue } = harness({
      clock,
      concurrency: 2,
      work: async (key) => {
        await sleep(clock, 10);
        if (key.startsWith('bad')) return refused();
        done.add(key);
        return { kind: 'done' };
      },
    });
    for (let i = 0; i < 50; i++) queue.add(`bad-${i}`, Priority.live);
    await clock.advance(300); // by now they fail at the priority of a retry, which is above that of a backfill
    for (let i = 0; i < 200; i++) queue.add(`good-${i}`, Priority.backfill);
    await clock.advance(3000);
    assert.equal(done.size, 200, 'two slots need a second for them, and two for those that fail');
    const closed = queue.close();
    await clock.advance(10);
    await closed;
  });

  it('keeps to Retry-After, whatever is added', async () => {
    const { clock, queue, runs } = harness({ answers: { a: [refused(5000)] } });
    queue.add('a', Priority.live);
    await clock.advance(1000);
    queue.add('a', Priority.live);
    queue.addAfter('a', 100, Priority.live);
    queue.add('b', Priority.backfill);
    await clock.advance(3999);
    assert.deepEqual(runs, [
      ['a', 0],
      ['b', 1000],
    ]);
    await clock.advance(1);
    assert.deepEqual(runs.at(-1), ['a', 5000]);
    assert.equal(queue.stats().waiting, 0);
  });

  it('keeps to Retry-After for an add during the refused run', async () => {
    const run = Promise.withResolvers<Outcome>();
    let calls = 0;
    const { clock, queue } = harness({
      work: () => (++calls === 1 ? run.promise : Promise.resolve({ kind: 'done' })),
    });
    queue.add('a', Priority.live);
    await flush();
    queue.add('a', Priority.live);
    run.resolve(refused(3000));
    await clock.advance(2999);
    assert.equal(calls, 1);
    await clock.advance(1);
    assert.equal(calls, 2);
  });

  it('runs a key at the earliest of several requested times', async () => {
    const { clock, queue, runs } = harness();
    queue.addAfter('a', 300, Priority.drift);
    queue.addAfter('a', 100, Priority.backfill);
    queue.addAfter('a', 200, Priority.live);
    await clock.advance(1000);
    assert.deepEqual(runs, [['a', 100]]);
  });

  it('runs a key again when its outcome asks for it, or at an event before', async () => {
    const again = (afterMs: number): Outcome => ({ kind: 'again', afterMs });
    const { clock, queue, runs } = harness({ answers: { a: [again(100), again(500)] } });
    queue.add('a', Priority.live);
    await clock.advance(200);
    queue.add('a', Priority.live);
    await clock.advance(1000);
    assert.deepEqual(
      runs.map(([, at]) => at),
      [0, 100, 200],
    );
  });

  for (const [name, work] of [
    ['throws', (): Promise<Outcome> => assert.fail('panic')],
    ['rejects', (): Promise<Outcome> => Promise.reject(new Error('panic'))],
    ['asks for a wait that is no number', async (): Promise<Outcome> => ({ kind: 'again', afterMs: NaN })],
    ['asks for a wait without end', async (): Promise<Outcome> => refused(Infinity)],
  ] as const) {
    it(`treats work that ${name} as failed, reports it and goes on`, async () => {
      const { clock, queue, failures } = harness({ work });
      queue.add('a', Priority.live);
      await clock.advance(200);
      assert.deepEqual(
        failures.map(({ key, failures, error }) => [key, failures, error instanceof Error]),
        [
          ['a', 1, true],
          ['a', 2, true],
        ],
      );
      await queue.close();
    });
  }

  it('refuses a delay that is not a number', () => {
    const { queue } = harness();
    assert.throws(() => queue.addAfter('a', NaN, Priority.live), RangeError);
    assert.throws(() => queue.addAfter('a', Infinity, Priority.live), RangeError);
  });

  it('accepts keys while it is paused and runs none, not even one that had a slot', async () => {
    const { clock, queue, runs, waits } = harness();
    queue.add('a', Priority.backfill);
    queue.pause();
    queue.add('b', Priority.live);
    queue.addAfter('c', 10, Priority.drift);
    await clock.advance(20);
    assert.equal(runs.length, 0);
    assert.deepEqual(queue.stats().ready, { live: 1, drift: 1, retry: 0, backfill: 1 });
    queue.resume();
    await queue.idle();
    assert.deepEqual(
      runs.map(([key]) => key),
      ['b', 'c', 'a'],
    );
    assert.deepEqual(waits, [20, 10, 20]);
  });

  it('runs as many keys at once as its concurrency, also after it is lowered and raised', async () => {
    const open: Array<() => void> = [];
    const { queue } = harness({
      concurrency: 3,
      work: () => new Promise((resolve) => open.push(() => resolve({ kind: 'done' }))),
    });
    for (const key of 'abcdefgh') queue.add(key, Priority.backfill);
    await flush();
    assert.equal(queue.stats().running, 3);
    queue.setConcurrency(1);
    for (const running of [2, 1, 1]) {
      open.shift()?.();
      await flush();
      assert.equal(queue.stats().running, running);
    }
    queue.setConcurrency(4);
    await flush();
    assert.equal(queue.stats().running, 4);
  });

  it('reports the ages of running work', async () => {
    const { clock, queue } = harness({ concurrency: 2, work: () => new Promise(() => {}) });
    queue.add('a', Priority.live);
    await clock.advance(300);
    queue.add('b', Priority.live);
    await clock.advance(100);
    const { running, unfinishedMs, longestMs } = queue.stats();
    assert.deepEqual({ running, unfinishedMs, longestMs }, { running: 2, unfinishedMs: 500, longestMs: 400 });
  });

  it('aborts running work on close, waits for it, drops other keys and accepts no more', async () => {
    const run = Promise.withResolvers<Outcome>();
    const begun: string[] = [];
    let aborted = false;
    const { clock, queue, failures } = harness({
      work: (key, signal) => {
        begun.push(key);
        signal.addEventListener('abort', () => (aborted = true));
        return run.promise;
      },
    });
    queue.add('a', Priority.live);
    queue.add('b', Priority.live);
    queue.addAfter('c', 10, Priority.live);
    await flush();
    let closed = false;
    const closing = queue.close().then(() => (closed = true));
    queue.add('d', Priority.live);
    await flush();
    assert.deepEqual({ aborted, closed }, { aborted: true, closed: false });
    run.reject(new Error('aborted'));
    await closing;
    await queue.close();
    await queue.idle();
    await clock.advance(1000);
    assert.deepEqual({ begun, failures, timers: clock.pending }, { begun: ['a'], failures: [], timers: 0 });
  });

  it('resolves idle when it is closed', async () => {
    const { queue } = harness();
    queue.pause();
    queue.add('a', Priority.live);
    const idle = queue.idle();
    await queue.close();
    await idle;
  });

  it('takes 100,000 keys in linear time, and runs a more urgent one among them first', async () => {
    const { queue, runs } = harness({ concurrency: 16 });
    const before = process.cpuUsage();
    for (let index = 0; index < 100_000; index += 1) queue.add(`key-${index}`, Priority.backfill);
    queue.add('key-99999', Priority.live);
    await queue.idle();
    assert.equal(runs.length, 100_000);
    assert.equal(runs[0]?.[0], 'key-99999');
    // A quadratic queue takes minutes; this one well under two seconds, on a busy machine, too: of a processor's time.
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 20_000_000, `${user + system} µs`);
  });
});
