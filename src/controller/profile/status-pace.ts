/** How soon the status of each profile is judged after a change: no more often than it is worth. No I/O. */
import type { Clock } from '../../util/clock.ts';

/** Shortest time between two looks at the status of one profile, in milliseconds. */
const STATUS_INTERVAL = 500;
/** Most of the time that goes into judging one status, which looks at all namespaces of the profile at once. */
const STATUS_SHARE = 1 / 50;
/** Changes that come together are one; milliseconds. */
const SHORTEST_DELAY = 20;

export class StatusPace {
  readonly #clock: Clock;
  /** When each was judged last; monotonic milliseconds. */
  readonly #judged = new Map<string, number>();
  /** How long that took, in milliseconds. */
  readonly #cost = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now until the profile's status is to be judged, in milliseconds. */
  delay(profile: string): number {
    const last = this.#judged.get(profile) ?? Number.NEGATIVE_INFINITY;
    const interval = Math.max(STATUS_INTERVAL, (this.#cost.get(profile) ?? 0) / STATUS_SHARE);
    return Math.max(SHORTEST_DELAY, last + interval - this.#clock.monotonic());
  }

  /** It is judged now. */
  begin(profile: string): void {
    this.#judged.set(profile, this.#clock.monotonic());
  }

  /** Judging it took so long. */
  end(profile: string, durationMs: number): void {
    this.#cost.set(profile, durationMs);
  }

  /** The profile is gone, or is another one now. */
  forget(profile: string): void {
    this.#judged.delete(profile);
    this.#cost.delete(profile);
  }
}
