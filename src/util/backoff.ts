/** Exponential backoff with jitter. */
import type { Random } from './clock.ts';

export interface BackoffLimits {
  /** Longest first delay, milliseconds. */
  readonly initialMs: number;
  /** Longest delay, milliseconds. */
  readonly maxMs: number;
}

/** Doublings after which every limit is reached: the delay stays finite after years of failures. */
const MOST_DOUBLINGS = 30;

/**
 * The delay after the n-th failure in a row: between half and all of `initialMs * 2^(n-1)`, capped at `maxMs`.
 *
 * @param failures failures in a row, at least 1
 * @returns milliseconds
 */
export function backoffMs(failures: number, { initialMs, maxMs }: BackoffLimits, random: Random): number {
  const longest = Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, MOST_DOUBLINGS));
  return longest * (0.5 + random() / 2);
}
