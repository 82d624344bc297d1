// How badly requests and watches fare at the moment, and what becomes of each, by chance.
import type { Dice } from '../../faults/model.ts';

/** In percent of all requests, watches or events. */
export interface Weather {
  /** Requests that fail in one way or another. */
  readonly failures: number;
  /** Requests and answers that take seconds. */
  readonly slow: number;
  /** Watches that break, hang or are refused. */
  readonly watches: number;
  /** Events that come late by seconds, twice, or in a wrong order. */
  readonly events: number;
  /** Lists that are empty although they should not be. */
  readonly forged: number;
  /** Events that never come, though the watch is sound. */
  readonly lost: number;
}

export const FAIR: Weather = { failures: 0, slow: 0, watches: 0, events: 0, forged: 0, lost: 0 };

export type Fate =
  | { readonly kind: 'answered' }
  /** The connection breaks before or after the request was carried out. */
  | { readonly kind: 'lost'; readonly committed: boolean }
  | { readonly kind: 'refused'; readonly status: 409 | 429 | 500 | 503 | 504; readonly committed: boolean };

const REFUSALS = [409, 429, 500, 503, 504] as const;

export function fateOf({ failures }: Weather, isWrite: boolean, roll: Dice): Fate {
  if (roll(100) >= failures) return { kind: 'answered' };
  const committed = roll(2) === 0;
  if (roll(2) === 0) return { kind: 'lost', committed };
  // Nobody meets a conflict by reading, and only a timeout leaves open whether anything was done.
  const status = REFUSALS[isWrite ? roll(REFUSALS.length) : 1 + roll(REFUSALS.length - 1)] ?? 500;
  return { kind: 'refused', status, committed: committed && status === 504 };
}

/** Milliseconds that one way through the network takes. */
export function delayOf({ slow }: Weather, roll: Dice): number {
  return roll(100) < slow ? roll(45_000) : 1 + roll(10);
}

/** Milliseconds until a watcher hears of an event. */
export function lagOf({ events }: Weather, roll: Dice): number {
  return roll(100) < events ? roll(8_000) : roll(20);
}

export const STATUS_REASONS = {
  409: 'Conflict',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
} as const;
