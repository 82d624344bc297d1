/** A clock that moves only by `advance`. Timers fire in the order of their time, then of their creation. */
import type { Clock, Timer } from '../../../src/util/clock.ts';

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

  /** @param epoch wall clock at the start, milliseconds */
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

  /** Number of pending timers. */
  get pending(): number {
    return this.#armed.size;
  }

  /** When the next timer is due, monotonic milliseconds; undefined without a timer. */
  get nextAt(): number | undefined {
    return this.#first()?.at;
  }

  /**
   * Moves on by `ms` and fires the timers that are due. All promise reactions of one moment run before the next moment;
   * `between` is called then.
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

/** Resolves after all pending promise reactions and microtasks have run. */
export function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
