/**
 * Lets the event loop turn while much is done that never waits: a thousand reconciles that find nothing to do would be one
 * turn of it, in which no probe is answered and no Lease renewed.
 */
import type { Clock } from '../../util/clock.ts';

/** As long as one turn may take, in milliseconds; and less than so many runs are never held up. */
const TURN_MS = 5;
const RUNS = 16;

export class EventLoopYield {
  readonly #clock: Clock;
  /** When the event loop last turned for sure, and how often something was begun since. */
  #turned: number;
  #runs = 0;
  #waiting: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turned = clock.monotonic();
  }

  /** Called before each run. The run waits for the promise, if any; runs that begin meanwhile wait for the same one. */
  beforeRun(): Promise<void> | undefined {
    this.#runs += 1;
    const isLong = this.#runs >= RUNS && this.#clock.monotonic() - this.#turned >= TURN_MS;
    if (isLong) this.#waiting ??= this.#turn();
    return this.#waiting;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.schedule(0, () => {
        this.#waiting = undefined;
        this.#runs = 0;
        this.#turned = this.#clock.monotonic();
        resolve();
      });
    });
  }
}
