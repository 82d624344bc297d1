/**
 * The work queue: keys in, one run of `work` per key at a time, with the semantics of client-go's workqueue and
 * controller-runtime's priority queue.
 *
 * Guarantees
 * - A key is in the queue at most once, and never runs twice at once.
 * - Every `add` is followed by a run that starts after it, unless the queue is closed first. An `add` while the
 *   key runs is answered by one more run.
 * - Of several requests for a key the earliest time and the highest priority hold. Of the keys that are ready,
 *   the highest priority runs first and, within it, the one that has been ready for longest.
 * - A failed key waits exponentially longer each time, with jitter. An `add` cuts that wait short (the failures
 *   count on), except for a wait that the server asked for (Retry-After), which is kept to its end.
 * Caveat: priorities are strict, so a steady stream of live events can starve a backfill.
 *
 * p-queue owns the slots and says when one is free. Its tasks are workers: each runs one ready key after the other, and
 * which key that is, is decided only when the one before has ended. A task for each key instead would cost more than many a
 * reconcile does, leave superseded tasks behind, and p-queue's own setPriority is O(n).
 */
import PQueue from 'p-queue';
import type { Clock, Random, Timer } from '../../util/clock.ts';
import { ReadyList } from './ready-list.ts';
import { backoffMs, type BackoffLimits } from '../../util/backoff.ts';

/** How urgent a request is; a higher number runs first. */
export const Priority = { live: 40, drift: 30, retry: 20, backfill: 10 } as const;
export type PriorityName = keyof typeof Priority;
export type Priority = (typeof Priority)[PriorityName];

export type Outcome =
  | { readonly kind: 'done' }
  /** The reconcile succeeded, and the key runs again after `afterMs`. `priority` defaults to that of the run. */
  | { readonly kind: 'again'; readonly afterMs: number; readonly priority?: Priority }
  /** The reconcile failed: back off, and for no less than `retryAfterMs`, which the API server asked for. */
  | { readonly kind: 'retry'; readonly error: unknown; readonly retryAfterMs?: number };

/** Hooks, called as things happen; they must not throw. Times are in milliseconds. */
export interface QueueObserver<K> {
  /** A key became ready to run. */
  onAdd?(priority: Priority): void;
  /** A key began to run, `waitedMs` after it became ready. */
  onStart?(waitedMs: number): void;
  onDone?(workedMs: number, outcome: Outcome['kind']): void;
  /** A run failed (by its outcome or by a throw) for the `failures`-th time in a row. */
  onRetry?(retry: Retry<K>): void;
}

export interface Retry<K> {
  readonly key: K;
  readonly error: unknown;
  readonly failures: number;
  /** Milliseconds until the key runs again, if nothing is added before. */
  readonly delayMs: number;
}

export interface QueueStats {
  /** Keys that only lack a free slot (or are held by `pause`), by priority. */
  readonly ready: Readonly<Record<PriorityName, number>>;
  /** Keys that are due later. */
  readonly waiting: number;
  readonly running: number;
  /** The ages of the running work in milliseconds, summed. */
  readonly unfinishedMs: number;
  /** The age of the oldest running work in milliseconds. */
  readonly longestMs: number;
}

/** Runs a key. The signal is aborted by `close`. A throw counts as a `retry` outcome. */
export type Work<K> = (key: K, signal: AbortSignal) => Promise<Outcome>;

export interface QueueOptions<K> {
  /** The identity of a key: keys with the same string are one entry of the queue. */
  readonly identify: (key: K) => string;
  /** How many keys run at once, at least 1. */
  readonly concurrency: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Delays after failures of a key. */
  readonly backoff?: BackoffLimits;
  readonly observer?: QueueObserver<K>;
  /** Called before each run, which begins once the promise, if any, has resolved. */
  readonly beforeRun?: (() => Promise<void> | undefined) | undefined;
}

interface Entry<K> {
  readonly key: K;
  readonly id: string;
  /** The requested run: not before `due`, in monotonic milliseconds. */
  wanted: { due: number; priority: Priority } | undefined;
  /** Failures in a row. */
  failures: number;
  /** The API server asked for no run before this, whatever is added; monotonic milliseconds. */
  notBefore: number;
  /** An entry waits, is ready, or runs: at most one of the following three is set. */
  timer: { readonly at: number; readonly timer: Timer } | undefined;
  ready: { readonly list: ReadyList<Entry<K>>; readonly since: number } | undefined;
  runningSince: number | undefined;
}

const DEFAULT_BACKOFF: BackoffLimits = { initialMs: 200, maxMs: 60_000 };

export class KeyQueue<K> {
  readonly #identify: QueueOptions<K>['identify'];
  #work: Work<K> | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #backoff: BackoffLimits;
  readonly #observer: QueueObserver<K>;
  readonly #beforeRun: QueueOptions<K>['beforeRun'];
  readonly #slots: PQueue;
  /** By the identity of the key. */
  readonly #entries = new Map<string, Entry<K>>();
  readonly #running = new Set<Entry<K>>();
  readonly #closing = new AbortController();
  /** Tasks of p-queue that wait for a slot or have one. While keys are ready, there are as many as slots, or as many as keys. */
  #workers = 0;
  /** By priority, the highest first. */
  readonly #ready: ReadonlyMap<Priority, ReadyList<Entry<K>>> = new Map(
    Object.values(Priority)
      .sort((a, b) => b - a)
      .map((priority) => [priority, new ReadyList<Entry<K>>()]),
  );

  constructor(options: QueueOptions<K>) {
    this.#identify = options.identify;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF;
    this.#observer = options.observer ?? {};
    this.#beforeRun = options.beforeRun;
    this.#slots = new PQueue({ concurrency: options.concurrency, autoStart: false });
  }

  /** Begins to run keys by `work`. Before, they are only collected. */
  start(work: Work<K>): void {
    this.#work = work;
    this.#slots.start();
  }

  /** Requests a run of `key` as soon as a slot is free. Returns before the run begins. */
  add(key: K, priority: Priority): void {
    this.#request(key, this.#clock.monotonic(), priority);
  }

  /** Requests a run of `key` after a delay. @throws RangeError if the delay is not a finite number */
  addAfter(key: K, delayMs: number, priority: Priority): void {
    this.#request(key, this.#clock.monotonic() + checkedDelay(delayMs), priority);
  }

  /** No run begins any more; keys are still accepted. Runs under way go on. */
  pause(): void {
    this.#slots.pause();
  }

  resume(): void {
    this.#slots.start();
  }

  /** Resolves once nothing runs; while the queue is paused it stays so. */
  settled(): Promise<void> {
    return this.#slots.onPendingZero();
  }

  get paused(): boolean {
    return this.#slots.isPaused;
  }

  setConcurrency(concurrency: number): void {
    this.#slots.concurrency = concurrency;
    for (let missing = this.#readySize(); missing > 0; missing--) this.#addWorker();
  }

  /** Resolves once no key is ready or running. Keys that are due later do not count. */
  idle(): Promise<void> {
    return this.#slots.onIdle();
  }

  /** Accepts no more keys, drops those that do not run, aborts the runs under way, and resolves once they have ended. */
  close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      for (const entry of this.#entries.values()) entry.timer?.timer.cancel();
      for (const list of this.#ready.values()) list.clear();
      this.#entries.clear();
      this.#slots.clear();
      this.#closing.abort(new Error('the work queue is closed'));
    }
    return this.settled();
  }

  stats(): QueueStats {
    const now = this.#clock.monotonic();
    const ages = [...this.#running].map((entry) => now - (entry.runningSince ?? now));
    const count = (name: PriorityName) => this.#ready.get(Priority[name])?.size ?? 0;
    const ready = {
      live: count('live'),
      drift: count('drift'),
      retry: count('retry'),
      backfill: count('backfill'),
    };
    const total = ready.live + ready.drift + ready.retry + ready.backfill;
    return {
      ready,
      waiting: Math.max(0, this.#entries.size - total - this.#running.size),
      running: this.#running.size,
      unfinishedMs: ages.reduce((sum, age) => sum + age, 0),
      longestMs: Math.max(0, ...ages),
    };
  }

  #request(key: K, due: number, priority: Priority): void {
    if (this.#closing.signal.aborted) return;
    const id = this.#identify(key);
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = {
        key,
        id,
        wanted: undefined,
        failures: 0,
        notBefore: 0,
        timer: undefined,
        ready: undefined,
        runningSince: undefined,
      };
      this.#entries.set(id, entry);
    }
    want(entry, due, priority);
    if (entry.runningSince === undefined) this.#place(entry);
  }

  /** Puts an entry that does not run where its requested run belongs: a timer, a ready list, or nowhere. */
  #place(entry: Entry<K>): void {
    const { wanted } = entry;
    if (wanted === undefined) {
      this.#entries.delete(entry.id);
      return;
    }
    const now = this.#clock.monotonic();
    const due = Math.max(wanted.due, entry.notBefore);
    if (due > now) {
      if (entry.timer?.at === due) return;
      entry.timer?.timer.cancel();
      // A timer may fire a little early, and long delays are cut: then the entry is placed again.
      const timer = this.#clock.schedule(due - now, () => {
        entry.timer = undefined;
        this.#place(entry);
      });
      entry.timer = { at: due, timer };
      return;
    }
    entry.timer?.timer.cancel();
    entry.timer = undefined;
    const list = this.#ready.get(wanted.priority);
    if (list === undefined) throw new RangeError(`not a priority: ${String(wanted.priority)}`);
    if (entry.ready?.list === list) return;
    list.append(entry);
    if (entry.ready === undefined) {
      entry.ready = { list, since: now };
      this.#observer.onAdd?.(wanted.priority);
      this.#addWorker();
    } else {
      entry.ready.list.remove(entry);
      entry.ready = { list, since: entry.ready.since };
    }
  }

  /** Adds a worker unless there is one for each slot. Its promise rejects only when `close` clears it, which p-queue handles. */
  #addWorker(): void {
    if (this.#workers >= this.#slots.concurrency) return;
    this.#workers += 1;
    void this.#slots.add(this.#runReady);
  }

  /** A worker: runs ready keys until none is left, or the queue is paused or has fewer slots. */
  readonly #runReady = async (): Promise<void> => {
    for (;;) {
      // The choice comes after all events of this turn, and no caller of `add` runs `work`.
      await Promise.resolve();
      await this.#beforeRun?.();
      const { isPaused, pending, concurrency } = this.#slots;
      const entry = isPaused || pending > concurrency ? undefined : this.#shiftReady();
      if (entry === undefined) break;
      await this.#run(entry);
    }
    this.#workers -= 1;
    // Another one waits in p-queue for the end of the pause.
    if (this.#readySize() > 0) this.#addWorker();
  };

  async #run(entry: Entry<K>): Promise<void> {
    if (entry.wanted === undefined || entry.ready === undefined) return;
    const started = this.#clock.monotonic();
    const { priority } = entry.wanted;
    this.#observer.onStart?.(started - entry.ready.since);
    entry.ready = undefined;
    entry.wanted = undefined;
    entry.runningSince = started;
    this.#running.add(entry);

    const outcome = await this.#attempt(entry.key);

    const ended = this.#clock.monotonic();
    this.#running.delete(entry);
    entry.runningSince = undefined;
    if (this.#closing.signal.aborted) return;
    this.#observer.onDone?.(ended - started, outcome.kind);
    if (outcome.kind === 'retry') this.#fail(entry, outcome, ended);
    else {
      entry.failures = 0;
      if (outcome.kind === 'again') want(entry, ended + outcome.afterMs, outcome.priority ?? priority);
    }
    this.#place(entry);
  }

  async #attempt(key: K): Promise<Outcome> {
    try {
      if (this.#work === undefined) throw new Error('the queue was not started');
      const outcome = await this.#work(key, this.#closing.signal);
      if (outcome.kind === 'again') checkedDelay(outcome.afterMs);
      if (outcome.kind === 'retry') checkedDelay(outcome.retryAfterMs ?? 0);
      return outcome;
    } catch (error) {
      return { kind: 'retry', error };
    }
  }

  #fail(entry: Entry<K>, outcome: Outcome & { kind: 'retry' }, now: number): void {
    entry.failures += 1;
    const wait = backoffMs(entry.failures, this.#backoff, this.#random);
    entry.notBefore = now + (outcome.retryAfterMs ?? 0);
    const wanted = want(entry, now + wait, Priority.retry);
    this.#observer.onRetry?.({
      key: entry.key,
      error: outcome.error,
      failures: entry.failures,
      delayMs: Math.max(0, wanted.due - now, entry.notBefore - now),
    });
  }

  #readySize(): number {
    let size = 0;
    for (const list of this.#ready.values()) size += list.size;
    return size;
  }

  #shiftReady(): Entry<K> | undefined {
    for (const list of this.#ready.values()) {
      const entry = list.shift();
      if (entry) return entry;
    }
    return undefined;
  }
}

/** Joins a request with the one that is there: the earliest time and the highest priority hold. */
function want(entry: Entry<unknown>, due: number, priority: Priority): { due: number; priority: Priority } {
  const { wanted } = entry;
  if (wanted === undefined) return (entry.wanted = { due, priority });
  wanted.due = Math.min(wanted.due, due);
  if (priority > wanted.priority) wanted.priority = priority;
  return wanted;
}

/** A delay that is not a number would be a busy loop or a lost key. Negative means now. */
function checkedDelay(delayMs: number): number {
  if (!Number.isFinite(delayMs))
    throw new RangeError(`a delay must be a finite number of milliseconds, not ${delayMs}`);
  return Math.max(0, delayMs);
}
