/**
 * Lets the event loop turn while reconciles run that wait for nothing: a thousand of them would be one turn, in which no
 * probe is answered and no Lease renewed.
 */
import type { Clock } from '../../util/clock.ts';

/** Longest turn, in milliseconds. */
const TURN_MS = 5;
/** Fewer runs than these are never held up. */
const MIN_RUNS = 16;

export class EventLoopYield {
  readonly #clock: Clock;
  /** When the event loop last turned for sure, in monotonic milliseconds. */
  #turnedAt: number;
  /** How many runs began since. */
  #runs = 0;
  #waiting: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turnedAt = clock.monotonic();
  }

  /** Called before each run. The run waits for the promise, if any; runs that begin meanwhile wait for the same one. */
  beforeRun(): Promise<void> | undefined {
    this.#runs += 1;
    const isLong = this.#runs >= MIN_RUNS && this.#clock.monotonic() - this.#turnedAt >= TURN_MS;
    if (isLong) this.#waiting ??= this.#turn();
    return this.#waiting;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.schedule(0, () => {
        this.#waiting = undefined;
        this.#runs = 0;
        this.#turnedAt = this.#clock.monotonic();
        resolve();
      });
    });
  }
}
