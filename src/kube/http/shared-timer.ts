/**
 * Time limits of many requests on one timer: all that wait equally long are due in the order in which they began, so
 * that only the first of them needs a timer. One for each request would cost more than the rest of its bookkeeping.
 */
import type { Clock, Timer } from '../../util/clock.ts';

interface Waiting {
  /** Monotonic, milliseconds. */
  readonly due: number;
  readonly callback: () => void;
}

/** Those that wait for the same time, the first due first. */
class Waiters {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(delay: number, callback: () => void): Timer {
    const entry = { due: this.#clock.monotonic() + delay, callback };
    this.#waiting.add(entry);
    this.#timer ??= this.#clock.schedule(delay, this.#call);
    return { cancel: () => this.#remove(entry) };
  }

  #remove(entry: Waiting): void {
    this.#waiting.delete(entry);
    if (this.#waiting.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #call = (): void => {
    this.#timer = undefined;
    for (const entry of this.#waiting) {
      const left = entry.due - this.#clock.monotonic();
      if (left > 0) {
        this.#timer ??= this.#clock.schedule(left, this.#call);
        return;
      }
      this.#waiting.delete(entry);
      entry.callback();
    }
  };
}

const waiters = new WeakMap<Clock, Map<number, Waiters>>();

/** As `clock.schedule`, for delays of which there are few different ones. */
export function scheduleShared(clock: Clock, delay: number, callback: () => void): Timer {
  let ofClock = waiters.get(clock);
  if (ofClock === undefined) waiters.set(clock, (ofClock = new Map()));
  let ofDelay = ofClock.get(delay);
  if (ofDelay === undefined) ofClock.set(delay, (ofDelay = new Waiters(clock)));
  return ofDelay.add(delay, callback);
}
