/** Exponential backoff with jitter. */
import type { Random } from './clock.ts';

export interface BackoffOptions {
  /** First delay, milliseconds. */
  readonly initialMs: number;
  /** Longest delay, milliseconds, before jitter. */
  readonly maxMs: number;
}

/** Delays of d/2 to 3d/2 (so d on average) for d = initial, twice that, and so on up to the longest. */
export class Backoff {
  readonly #initial: number;
  readonly #max: number;
  readonly #random: Random;
  #failures = 0;

  constructor({ initialMs, maxMs }: BackoffOptions, random: Random) {
    this.#initial = initialMs;
    this.#max = maxMs;
    this.#random = random;
  }

  /** Milliseconds to wait after one more failure. */
  next(): number {
    // 2 ** 30 is far beyond every limit, and keeps the product finite after years of failures.
    const delay = Math.min(this.#max, this.#initial * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return delay * (0.5 + this.#random());
  }

  reset(): void {
    this.#failures = 0;
  }
}
