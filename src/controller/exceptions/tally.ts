/** Counts of exceptions, for metrics. Pure. */
import type { Verdict } from '../../policy/exceptions/judge.ts';
import type { ExceptionItem } from './items.ts';

export interface ExceptionCounts {
  readonly byState: Readonly<Record<Verdict['kind'], number>>;
  /** In force, and to end within a day. */
  readonly expiring: number;
  /** Not in force any more, and yet with policies. */
  readonly overdue: number;
}

const DAY_MS = 24 * 60 * 60_000;

/**
 * @param now milliseconds since the epoch
 * @param hasPolicies true if policies of the exception exist
 */
export function countVerdicts(
  verdicts: Iterable<readonly [ExceptionItem, Verdict]>,
  now: number,
  hasPolicies: (item: ExceptionItem) => boolean,
): ExceptionCounts {
  const byState = { 'in-force': 0, 'awaiting-approval': 0, expired: 0, refused: 0 };
  let expiring = 0;
  let overdue = 0;
  for (const [item, verdict] of verdicts) {
    byState[verdict.kind] += 1;
    if (verdict.kind === 'in-force' && verdict.end - now <= DAY_MS) expiring += 1;
    if (verdict.kind !== 'in-force' && hasPolicies(item)) overdue += 1;
  }
  return { byState, expiring, overdue };
}
