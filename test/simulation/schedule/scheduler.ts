// Virtual time: everything that happens in a simulation is an entry of one schedule, and happens one after the other.
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
  /** A binary heap: the earliest first, and of the same time the one that was asked for first. */
  readonly #heap: Entry[] = [];

  /** Runs `run` in `delay` milliseconds. */
  after(delay: number, run: () => void): Timer {
    const entry: Entry = { at: this.time + Math.max(0, delay), order: this.#order++, run };
    this.#push(entry);
    return { cancel: () => (entry.run = undefined) };
  }

  /** Runs all that is due within the next `ms`, each with all promise reactions that follow from it. */
  async advance(ms: number): Promise<void> {
    const until = this.time + ms;
    await settle();
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      this.#pop();
      if (next.run === undefined) continue;
      this.time = next.at;
      next.run();
      await settle();
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

/** Lets every promise reaction that can run do so: Node empties their queue before it goes on with the next tick. */
function settle(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** The clock of one process. Once the process is dead, none of its timers fires. */
export class ProcessClock implements Clock {
  dead = false;
  /** Its timers fire no earlier; by the simulation's clock. */
  frozenUntil = 0;
  /** What the wall clock shows more than it should, milliseconds. */
  skew = 0;
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  now(): number {
    return EPOCH + this.#scheduler.time + this.skew;
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

/** What the wall clock shows when a simulation begins. */
export const EPOCH = Date.UTC(2026, 0, 1);
