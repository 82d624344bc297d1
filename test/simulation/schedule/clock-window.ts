/** The times that the clock of the leader has shown in a round, between which a verdict on an exception may have changed. */
import type { SegmentationException } from '../../../src/api/exception.ts';
import { EPOCH } from './scheduler.ts';

export class ClockWindow {
  /** The clock of the leader, in milliseconds since the epoch. */
  now = EPOCH;
  #earliest = EPOCH;
  #latest = EPOCH;
  /** Grows when the verdict on an exception may have changed, or past times are forgotten. */
  version = 0;
  readonly #ends = new Set<number>();

  /** The latest time that the clock has shown in this round. */
  get latest(): number {
    return this.#latest;
  }

  /** How many of the ends are over. */
  get ended(): number {
    return [...this.#ends].filter((end) => end <= this.now).length;
  }

  /** Remembers the ends of exceptions. */
  noteEnds(exceptions: readonly SegmentationException[]): void {
    for (const each of exceptions) for (const end of endsOf(each)) this.#ends.add(end);
  }

  /** The clock of the leader shows `now`. True if an end lies between that and what it has shown before. */
  observe(now: number): boolean {
    const [earliest, latest] = [this.#earliest, this.#latest];
    this.now = now;
    this.#earliest = Math.min(earliest, now);
    this.#latest = Math.max(latest, now);
    const isPassing = [...this.#ends].some(
      (end) => (end > latest && end <= now) || (end <= earliest && end > now),
    );
    if (isPassing) this.version += 1;
    return isPassing;
  }

  forgetPast(): void {
    this.version += 1;
    this.#earliest = this.now;
    this.#latest = this.now;
  }

  /** An instant of each time between two ends that the clock has shown. @param isNow only of the present time */
  instants(exceptions: readonly SegmentationException[], isNow: boolean): number[] {
    if (exceptions.length === 0) return [this.now];
    const ends = [...new Set(exceptions.flatMap(endsOf))].sort((a, b) => a - b);
    const ended = (time: number) => ends.filter((end) => end <= time).length;
    const [first, last] = isNow
      ? [ended(this.now), ended(this.now)]
      : [ended(this.#earliest), ended(this.#latest)];
    return Array.from({ length: last - first + 1 }, (_, index) =>
      first + index === 0 ? (ends[0] ?? 0) - 1 : (ends[first + index - 1] ?? 0),
    );
  }
}

/** When the verdict on an exception may change, in milliseconds since the epoch. */
export function endsOf({ spec }: SegmentationException): number[] {
  return [spec.expires, spec.approval?.until ?? spec.expires].map((text) => Date.parse(text));
}
