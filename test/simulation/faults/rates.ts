/** How often requests, watches and events fail at the moment, and the random fate of each. Pure. */
import type { Dice } from '../../faults/model.ts';

/** In percent of all requests, watches, lists or events. */
export interface FaultRates {
  /** Requests that fail in one way or another. */
  readonly failures: number;
  /** Requests and responses that take seconds. */
  readonly slow: number;
  /** Watches that break, hang or are refused. */
  readonly watches: number;
  /** Events that arrive seconds late, twice, or in the wrong order. */
  readonly events: number;
  /** Lists that are wrongly empty. */
  readonly forged: number;
  /** Events that never arrive, though their watch is sound. */
  readonly lost: number;
}

export const NO_FAULTS: FaultRates = { failures: 0, slow: 0, watches: 0, events: 0, forged: 0, lost: 0 };

export type Fate =
  | { readonly kind: 'answered' }
  /** The connection breaks before or after the server carried out the request. */
  | { readonly kind: 'lost'; readonly committed: boolean }
  | { readonly kind: 'refused'; readonly status: RefusalStatus; readonly committed: boolean };

const REFUSALS = [409, 429, 500, 503, 504] as const;
export type RefusalStatus = (typeof REFUSALS)[number];

export const STATUS_REASONS: Readonly<Record<RefusalStatus, string>> = {
  409: 'Conflict',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

export function fateOf({ failures }: FaultRates, isWrite: boolean, roll: Dice): Fate {
  if (roll(100) >= failures) return { kind: 'answered' };
  const committed = roll(2) === 0;
  if (roll(2) === 0) return { kind: 'lost', committed };
  // A read never conflicts. Only a timeout leaves open whether the request was carried out.
  const status = REFUSALS[isWrite ? roll(REFUSALS.length) : 1 + roll(REFUSALS.length - 1)] ?? 500;
  return { kind: 'refused', status, committed: committed && status === 504 };
}

/** Milliseconds for the slowest direction through the network. */
export const LONGEST_DELAY_MS = 45_000;

/** Milliseconds for one direction through the network. */
export function delayOf({ slow }: FaultRates, roll: Dice): number {
  return roll(100) < slow ? roll(LONGEST_DELAY_MS) : 1 + roll(10);
}

/** Milliseconds until an event reaches a watcher. */
export function lagOf({ events }: FaultRates, roll: Dice): number {
  return roll(100) < events ? roll(8_000) : roll(20);
}
