/** When an exception is to be looked at again: its end, and the notices before it. Pure. */
import type { Notice, SegmentationException } from '../../api/exception.ts';
import type { Verdict } from '../../policy/exceptions/judge.ts';

const MINUTE_MS = 60_000;

/** Milliseconds before the end at which a notice is given, the earliest first. */
const NOTICES: readonly (readonly [notice: Notice, beforeMs: number])[] = [
  ['OneHour', 60 * MINUTE_MS],
  ['TenMinutes', 10 * MINUTE_MS],
  ['Ended', 0],
];

/**
 * The notice that is to be given of an exception by now; undefined before the first. An exception that was granted for
 * less than an hour gets no notice an hour before its end.
 *
 * @param grantedAt when it was created, extended or approved, as far as that is known; milliseconds since the epoch
 */
export function noticeBy(end: number, now: number, grantedAt: number): Notice | undefined {
  return NOTICES.findLast(([, beforeMs]) => now >= end - beforeMs && grantedAt <= end - beforeMs)?.[0];
}

/** The notice that is to be given of an exception with this verdict at `now`, in milliseconds since the epoch. */
export function noticeOf(
  { metadata }: SegmentationException,
  verdict: Verdict,
  now: number,
): Notice | undefined {
  if (verdict.kind === 'expired') return 'Ended';
  if (verdict.kind !== 'in-force') return undefined;
  return noticeBy(verdict.end, now, Date.parse(metadata.creationTimestamp ?? ''));
}

/**
 * The first moment after another at which a verdict may change or a notice is due, even if it is over: what has ended since then
 * is still to be followed.
 *
 * @param after when the wall clock was read last; both in milliseconds since the epoch
 */
export function nextMoment(
  { spec }: SegmentationException,
  verdict: Verdict,
  after: number,
): number | undefined {
  const moments =
    verdict.kind === 'in-force'
      ? NOTICES.map(([, beforeMs]) => verdict.end - beforeMs)
      : [verdict.kind === 'expired' ? verdict.end : Date.parse(spec.expires)];
  const next = moments.filter((moment) => moment > after);
  return next.length === 0 ? undefined : Math.min(...next);
}
