/** A clock that stands still until it is told to move. Timers fire in order of time, then of arming. */
import type { Clock, Timer } from '../../src/util/clock.ts';

interface Armed {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #time = 0;
  #order = 0;
  readonly #armed = new Set<Armed>();
  readonly #epoch: number;

  /** `epoch`: the wall clock's time at the start, in milliseconds. */
  constructor(epoch = Date.UTC(2026, 0, 1)) {
    this.#epoch = epoch;
  }

  now(): number {
    return this.#epoch + this.#time;
  }

  monotonic(): number {
    return this.#time;
  }

  schedule(delay: number, callback: () => void): Timer {
    const armed = { at: this.#time + Math.max(0, delay), order: this.#order++, callback };
    this.#armed.add(armed);
    return { cancel: () => this.#armed.delete(armed) };
  }

  /** How many timers are pending. */
  get pending(): number {
    return this.#armed.size;
  }

  /** When the next timer is due, on the monotonic clock. */
  get nextAt(): number | undefined {
    return this.#first()?.at;
  }

  /**
   * Moves on by `ms`, firing what falls due on the way; the promise reactions that follow each moment are all done
   * before the next, and `between` is called then.
   */
  async advance(ms: number, between?: () => void): Promise<void> {
    const until = this.#time + ms;
    await flush();
    between?.();
    for (let next = this.#first(); next !== undefined && next.at <= until; next = this.#first()) {
      this.#time = next.at;
      for (
        let same: Armed | undefined = next;
        same !== undefined && same.at <= this.#time;
        same = this.#first()
      ) {
        this.#armed.delete(same);
        same.callback();
      }
      await flush();
      between?.();
    }
    this.#time = until;
    await flush();
    between?.();
  }

  #first(): Armed | undefined {
    let first: Armed | undefined;
    for (const armed of this.#armed) {
      if (
        first === undefined ||
        armed.at < first.at ||
        (armed.at === first.at && armed.order < first.order)
      ) {
        first = armed;
      }
    }
    return first;
  }
}

/** Lets every promise reaction and microtask that can run do so. */
export function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
