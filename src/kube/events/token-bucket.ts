/** A token bucket: allows a burst, and one more in each interval. */
import type { Clock } from '../../util/clock.ts';

export class TokenBucket {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #intervalMs: number;
  #tokens: number;
  /** When tokens were last added, monotonic milliseconds. */
  #filledAt: number;

  /** @param intervalMs time in which one token is added, milliseconds */
  constructor(clock: Clock, burst: number, intervalMs: number) {
    this.#clock = clock;
    this.#burst = burst;
    this.#intervalMs = intervalMs;
    this.#tokens = burst;
    this.#filledAt = clock.monotonic();
  }

  /** Takes a token and returns 0; if there is none, returns the milliseconds until the next one. */
  take(): number {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) / this.#intervalMs);
    this.#filledAt = now;
    // A sum of fractions may miss a whole number by a rounding error.
    if (this.#tokens < 1 - 1e-9) return (1 - this.#tokens) * this.#intervalMs;
    this.#tokens = Math.max(0, this.#tokens - 1);
    return 0;
  }
}
