/** The memory of one profile between its reconciles. No I/O. */
import type { NamespaceResult } from '../results.ts';

/** Shortest time between two looks at the status of one profile, in milliseconds. */
const STATUS_INTERVAL = 500;
/** Most of the time that goes into judging one status, which looks at all namespaces of the profile at once. */
const STATUS_SHARE = 1 / 50;
/** Changes within this time are judged together; milliseconds. */
const SHORTEST_DELAY = 20;

export class ProfileRecord {
  /** The results of the last reconcile of each namespace. */
  readonly results = new Map<string, NamespaceResult>();
  /** The uid of the profile that this process has read live, and found as it was cached. */
  confirmedUid: string | undefined;
  /** True once this process has judged the status: until then, the status of the process before it stays. */
  hasJudgedStatus = false;
  /** When the status was judged last; monotonic milliseconds. */
  #judgedAt = Number.NEGATIVE_INFINITY;
  /** How long that took, in milliseconds. */
  #judgingMs = 0;

  /** How long to wait with judging the status after a change, in milliseconds. @param now monotonic milliseconds */
  statusDelay(now: number): number {
    const interval = Math.max(STATUS_INTERVAL, this.#judgingMs / STATUS_SHARE);
    return Math.max(SHORTEST_DELAY, this.#judgedAt + interval - now);
  }

  /** The status is judged now. @param now monotonic milliseconds */
  beginJudging(now: number): void {
    this.#judgedAt = now;
  }

  /** Judging the status took so long. */
  endJudging(durationMs: number): void {
    this.#judgingMs = durationMs;
  }
}
