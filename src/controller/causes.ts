/**
 * Why each namespace is to be reconciled: since when an event waits for its policies, and whether what is written next
 * repairs drift. No I/O.
 */
import type { Clock } from '../util/clock.ts';

export interface Cause {
  /** When the latest event of the namespace came, until its policies stand; monotonic milliseconds. */
  readonly since: number | undefined;
  /** Something of the intent changed. */
  readonly intended: boolean;
  /** The only news is that a policy of ours was touched. */
  readonly drift: boolean;
}

export class Causes {
  readonly #clock: Clock;
  readonly #events = new Map<string, number>();
  readonly #drifted = new Set<string>();
  readonly #intended = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The namespace itself is new, or has changed. */
  event(namespace: string): void {
    this.#events.set(namespace, this.#clock.monotonic());
  }

  /** What is intended there has changed. */
  intent(namespace: string): void {
    this.#intended.add(namespace);
  }

  /** Somebody touched a policy there. */
  drift(namespace: string): void {
    this.#drifted.add(namespace);
  }

  /** Whether an event of the namespace waits for its policies. */
  waits(namespace: string): boolean {
    return this.#events.has(namespace);
  }

  /** A reconcile begins. */
  take(namespace: string): Cause {
    const since = this.#events.get(namespace);
    const intended = this.#intended.delete(namespace);
    const drift = this.#drifted.delete(namespace) && !intended && since === undefined;
    return { since, intended, drift };
  }

  /** It did not get to its end: the next one has the same cause. */
  giveBack(namespace: string, { intended, drift }: Cause): void {
    if (drift) this.#drifted.add(namespace);
    if (intended) this.#intended.add(namespace);
  }

  /** Since when the event waits with which it began; undefined where none does, or another one has come since. */
  answered(namespace: string, { since }: Cause): number | undefined {
    return this.#events.get(namespace) === since ? since : undefined;
  }

  /** The policies stand, or the namespace goes. */
  settle(namespace: string): void {
    this.#events.delete(namespace);
  }
}
