/** Virtual time: all events of a simulation are entries of one queue, and run one after the other. */
import type { Clock, Timer } from '../../../src/util/clock.ts';

interface Entry {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

export class Scheduler {
  /** Milliseconds since the simulation began. */
  time = 0;
  #order = 0;
  /** A binary heap: the earliest entry first, and entries of the same time in the order in which they were added. */
  readonly #heap: Entry[] = [];

  /** Runs `run` in `delay` milliseconds. */
  after(delay: number, run: () => void): Timer {
    const entry: Entry = { at: this.time + Math.max(0, delay), order: this.#order++, run };
    this.#push(entry);
    return { cancel: () => (entry.run = undefined) };
  }

  /** Runs all entries of the next `ms` milliseconds, each with the promise reactions that it causes, unless `isOver` before. */
  async advance(ms: number, isOver = () => false): Promise<void> {
    const until = this.time + ms;
    await runReactions();
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      if (isOver()) return;
      this.#pop();
      if (next.run === undefined) continue;
      this.time = next.at;
      next.run();
      await runReactions();
    }
    this.time = until;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (before(heap[parent]!, entry)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (before(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Runs all promise reactions that are ready: Node empties the microtask queue before the next tick. */
function runReactions(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** The clock of one process. After the process has died, none of its timers fires. */
export class ProcessClock implements Clock {
  dead = false;
  /** Timers of a frozen process wait until then, by the simulation's clock. */
  frozenUntil = 0;
  /** How far the wall clock is ahead, milliseconds. */
  #skew: number;
  /** How far it was ahead before its last step, and when that was, by the simulation's clock. */
  #before: { readonly skew: number; readonly until: number } | undefined;
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, skew = 0) {
    this.#scheduler = scheduler;
    this.#skew = skew;
  }

  now(): number {
    return EPOCH + this.#scheduler.time + this.#skew;
  }

  /** Steps the wall clock to so many milliseconds ahead. */
  step(skew: number): void {
    this.#before = { skew: this.#skew, until: this.#scheduler.time };
    this.#skew = skew;
  }

  /** The time that the wall clock shows, or would show if it had not been stepped within the last `ms` milliseconds. */
  readings(ms: number): number[] {
    const { skew, until } = this.#before ?? { skew: 0, until: Number.NEGATIVE_INFINITY };
    const { time } = this.#scheduler;
    return until + ms < time ? [this.now()] : [this.now(), EPOCH + time + skew];
  }

  monotonic(): number {
    return this.#scheduler.time;
  }

  schedule(delay: number, callback: () => void): Timer {
    let timer: Timer;
    const fire = () => {
      const left = this.frozenUntil - this.#scheduler.time;
      if (left > 0) timer = this.#scheduler.after(left, fire);
      else if (!this.dead) callback();
    };
    timer = this.#scheduler.after(delay, fire);
    return { cancel: () => timer.cancel() };
  }
}

/** Wall clock time at the start of a simulation, milliseconds since the epoch. */
export const EPOCH = Date.UTC(2026, 0, 1);
