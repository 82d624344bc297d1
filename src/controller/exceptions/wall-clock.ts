/**
 * Follows the wall clock: wakes when an exception ends or a notice of it is due, and reads the clock again every minute, so
 * that a step of it, forth or back, is followed within a minute.
 */
import type { ClusterState } from '../../cluster-state/state.ts';
import type { Clock, Timer } from '../../util/clock.ts';
import { notedEnd } from './items.ts';
import { policiesOfExceptions } from './policies.ts';
import { nextMoment, noticeOf } from './schedule.ts';
import type { Verdicts } from './verdicts.ts';

export interface WallClockOptions {
  readonly clock: Clock;
  readonly clusterState: ClusterState;
  readonly verdicts: Verdicts;
  /** Called with a namespace in which a verdict may have changed. */
  readonly onVerdicts: (namespace: string) => void;
  /** Called with the key of an exception of which a notice is due. */
  readonly onNotice: (key: string) => void;
  /** Called with a namespace that need not wait any more. */
  readonly onReleased: (namespace: string) => void;
}

/** Longest time between two readings of the wall clock, in milliseconds. */
const RECHECK_MS = 60_000;

export class WallClock {
  readonly #options: WallClockOptions;
  /** Namespaces that wait for the first read of exceptions, or for the end that is noted on their policies. */
  readonly #waiting = new Set<string>();
  #timer: Timer | undefined;
  /** When the wall clock was read for all exceptions, in monotonic milliseconds. */
  #tickedAt = 0;
  /** The time that it showed then. Ends after that time have not been followed yet, even if they are over by now. */
  #shown = 0;
  /** True while all verdicts are followed: the next moment is looked for once, at the end. */
  #isTicking = false;

  constructor(options: WallClockOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Has a namespace wait for the end that is noted on its policies. */
  wait(namespace: string): void {
    if (this.#waiting.has(namespace)) return;
    this.#waiting.add(namespace);
    this.schedule();
  }

  /** Has no namespace wait any more. */
  release(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const namespace of waiting) this.#options.onReleased(namespace);
  }

  /** Reads the wall clock, follows what has ended, and waits for the next moment. */
  tick(): void {
    const { clock, verdicts, onVerdicts, onNotice } = this.#options;
    this.#tickedAt = clock.monotonic();
    this.#shown = clock.now();
    this.#isTicking = true;
    for (const namespace of verdicts.namespaces()) onVerdicts(namespace.key);
    for (const [{ key, exception }, verdict] of verdicts.all())
      if (noticeOf(exception, verdict, clock.now()) !== exception.status?.notice) onNotice(key);
    // The end that is noted on the policies of a waiting namespace may have come.
    this.release();
    this.#isTicking = false;
    this.schedule();
  }

  /** Waits for the next moment. Events do not put off the next reading of the wall clock. */
  schedule(): void {
    if (this.#isTicking) return;
    const { clock, clusterState, verdicts } = this.#options;
    // A timer may fire a moment early, and an end pass between two readings of the clock.
    const after = Math.min(this.#shown, clock.now());
    const moments = [...verdicts.all()].flatMap(
      ([{ exception }, verdict]) => nextMoment(exception, verdict, after) ?? [],
    );
    const noted = [...this.#waiting].flatMap((namespace) =>
      [...policiesOfExceptions(clusterState, namespace)].map(notedEnd).filter((end) => end > after),
    );
    const recheckMs = this.#tickedAt + RECHECK_MS - clock.monotonic();
    const leftMs = Math.min(...moments, ...noted) - clock.now();
    this.#timer?.cancel();
    this.#timer = clock.schedule(Math.max(Math.min(leftMs, recheckMs), 1), () => this.tick());
  }
}
