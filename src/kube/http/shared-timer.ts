/**
 * One timer for the time limits of many requests. Limits of equal length expire in the order in which they began, so
 * only the first needs a timer. A timer for each request would cost more than the rest of its bookkeeping.
 */
import type { Clock, Timer } from '../../util/clock.ts';

interface Waiting {
  /** Monotonic milliseconds. */
  readonly dueAt: number;
  readonly callback: () => void;
}

/** Waiting callbacks with the same delay, in the order in which they are due. */
class SharedTimer {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(delay: number, callback: () => void): Timer {
    const entry = { dueAt: this.#clock.monotonic() + delay, callback };
    this.#waiting.add(entry);
    this.#timer ??= this.#clock.schedule(delay, this.#fire);
    return { cancel: () => this.#remove(entry) };
  }

  #remove(entry: Waiting): void {
    this.#waiting.delete(entry);
    if (this.#waiting.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #fire = (): void => {
    this.#timer = undefined;
    for (const entry of this.#waiting) {
      const left = entry.dueAt - this.#clock.monotonic();
      if (left > 0) {
        this.#timer ??= this.#clock.schedule(left, this.#fire);
        return;
      }
      this.#waiting.delete(entry);
      entry.callback();
    }
  };
}

/** Timers by clock, then by delay. */
const timers = new WeakMap<Clock, Map<number, SharedTimer>>();

/** Like `clock.schedule`, for few distinct delays. */
export function scheduleShared(clock: Clock, delay: number, callback: () => void): Timer {
  let ofClock = timers.get(clock);
  if (ofClock === undefined) timers.set(clock, (ofClock = new Map()));
  let ofDelay = ofClock.get(delay);
  if (ofDelay === undefined) ofClock.set(delay, (ofDelay = new SharedTimer(clock)));
  return ofDelay.add(delay, callback);
}
