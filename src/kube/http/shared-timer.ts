/**
 * One timer for the time limits of many requests. Limits of equal length expire in the order in which they began, so
 * only the first needs a timer. A timer for each request would cost more than the rest of its bookkeeping.
 */
import type { Clock, Timer } from '../../util/clock.ts';
import { type Link, LinkedList } from './linked-list.ts';

interface Waiting {
  /** Monotonic milliseconds. */
  readonly dueAt: number;
  readonly callback: () => void;
}

/** Waiting callbacks with the same delay, in the order in which they are due. */
class SharedTimer {
  readonly #clock: Clock;
  readonly #waiting = new LinkedList<Waiting>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(delay: number, callback: () => void): Timer {
    const entry = this.#waiting.add({ dueAt: this.#clock.monotonic() + delay, callback });
    this.#timer ??= this.#clock.schedule(delay, this.#fire);
    return { cancel: () => this.#remove(entry) };
  }

  #remove(entry: Link<Waiting>): void {
    this.#waiting.remove(entry);
    if (this.#waiting.first !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  readonly #fire = (): void => {
    this.#timer = undefined;
    for (let entry = this.#waiting.first; entry !== undefined; entry = this.#waiting.first) {
      const left = entry.value.dueAt - this.#clock.monotonic();
      if (left > 0) {
        this.#timer ??= this.#clock.schedule(left, this.#fire);
        return;
      }
      this.#waiting.remove(entry);
      entry.value.callback();
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
