/**
 * The gates of a rollout that ask Prometheus: each has a query and a bound. A wave begins once all values are within their
 * bounds. A value beyond its bound for long enough is a failure. A query without a value proves nothing: it keeps the
 * rollout where it is, and is a failure only after the deadline of the rollout. Pure.
 */
import type { ProfileSpec } from '../api/profile.ts';
import { parseDuration } from '../util/duration.ts';
import type { RolloutState } from './assign.ts';
import type { QueryResult } from './query-result.ts';

export type QueryGate = NonNullable<
  NonNullable<NonNullable<ProfileSpec['rollout']>['gates']>['prometheus']
>[number];

/** The last result of a query, and since when results have been as they are; milliseconds since the epoch. */
export interface QueryAnswer {
  readonly result: QueryResult;
  /** When the result came. */
  readonly at: number;
  /** Since when each result has been beyond the bound; absent if the last one was not. */
  readonly beyondSince?: number;
  /** Since when no result has been within the bound; absent if the last one was. */
  readonly notWithinSince?: number;
}

/** The answers by the name of the gate, as far as they are known. */
export type QueryAnswers = ReadonlyMap<string, QueryAnswer>;

export type RecordedValues = NonNullable<NonNullable<RolloutState['gates']>['queries']>;

export interface QueryContext {
  /** The values as the wave began; undefined before it begins. */
  readonly recorded: RecordedValues | undefined;
  readonly deadlineMs: number;
  readonly now: number;
}

export type QueryVerdict =
  | { readonly kind: 'open'; readonly values: RecordedValues }
  /** Nobody is let in, and no wave ends. */
  | { readonly kind: 'closed'; readonly reason: string; readonly wakeAt?: number }
  | {
      readonly kind: 'failed';
      readonly reason: 'QueryOutOfBounds' | 'QueryUnanswered';
      readonly message: string;
    };

/** The answer after another result. */
export function answerAfter(
  gate: QueryGate,
  before: QueryAnswer | undefined,
  result: QueryResult,
  now: number,
): QueryAnswer {
  const isBeyond = result.kind === 'value' && !isWithin(gate, result.value);
  const isNotWithin = isBeyond || result.kind === 'none';
  return {
    result,
    at: now,
    ...(isBeyond && { beyondSince: before?.beyondSince ?? now }),
    ...(isNotWithin && { notWithinSince: before?.notWithinSince ?? now }),
  };
}

/** True if the two differ in more than their values, which nothing depends on as long as they stay on one side of the bound. */
export function isNews(before: QueryAnswer | undefined, after: QueryAnswer): boolean {
  if (before === undefined) return true;
  const reasonOf = ({ result }: QueryAnswer) => (result.kind === 'none' ? result.reason : undefined);
  return (
    before.beyondSince !== after.beyondSince ||
    before.notWithinSince !== after.notWithinSince ||
    reasonOf(before) !== reasonOf(after)
  );
}

/** Judges the gates of a wave. */
export function judgeQueries(
  gates: readonly QueryGate[],
  answers: QueryAnswers,
  context: QueryContext,
): QueryVerdict {
  const verdicts = gates.map((gate) => judgeQuery(gate, answers.get(gate.name), context));
  const failed = verdicts.find(({ kind }) => kind === 'failed');
  if (failed !== undefined) return failed;
  const closed = verdicts.filter((verdict) => verdict.kind === 'closed');
  if (closed.length > 0) {
    const wakeAt = Math.min(...closed.map((each) => each.wakeAt ?? Number.POSITIVE_INFINITY));
    const reason = closed.map((each) => each.reason).join('; ');
    return { kind: 'closed', reason, ...(Number.isFinite(wakeAt) && { wakeAt }) };
  }
  return {
    kind: 'open',
    values: verdicts.flatMap((verdict) => (verdict.kind === 'open' ? verdict.values : [])),
  };
}

function judgeQuery(
  gate: QueryGate,
  answer: QueryAnswer | undefined,
  { recorded, deadlineMs, now }: QueryContext,
): QueryVerdict {
  const { name } = gate;
  if (answer === undefined) return { kind: 'closed', reason: `query ${name} is being asked` };
  const { result, beyondSince, notWithinSince } = answer;
  if (notWithinSince === undefined) return { kind: 'open', values: [{ name, value: text(result) }] };
  const forMs = parseDuration(gate.for) ?? 0;
  const before = recorded?.find((each) => each.name === name);
  const was = before === undefined ? '' : `; it was ${before.value} when the wave began`;
  // Before the wave, the change can't be the cause of a value.
  const countsAt = recorded === undefined ? undefined : beyondSince && beyondSince + forMs;
  const longestMs = countsAt === undefined ? deadlineMs : Math.max(deadlineMs, forMs);
  const failsAt = Math.min(countsAt ?? Number.POSITIVE_INFINITY, notWithinSince + longestMs);
  const isBeyond = beyondSince !== undefined;
  if (now < failsAt) {
    const reason = isBeyond
      ? `query ${name} is ${beyond(gate, result)}`
      : `query ${name} has no value: ${text(result)}`;
    return { kind: 'closed', reason, ...(Number.isFinite(failsAt) && { wakeAt: failsAt }) };
  }
  if (!isBeyond)
    return {
      kind: 'failed',
      reason: 'QueryUnanswered',
      message: `query ${name} has had no value within its bound up to the deadline: ${text(result)}${was}`,
    };
  const message =
    recorded === undefined
      ? `query ${name} was ${beyond(gate, result)}, before the wave began and up to the deadline`
      : `query ${name} is ${beyond(gate, result)}, after the wave began${was}`;
  return { kind: 'failed', reason: 'QueryOutOfBounds', message };
}

function isWithin(
  { max = Number.POSITIVE_INFINITY, min = Number.NEGATIVE_INFINITY }: QueryGate,
  value: number,
): boolean {
  return value <= max && value >= min;
}

/** `0.2, more than max 0.05`. */
function beyond({ max, min }: QueryGate, result: QueryResult): string {
  return max === undefined
    ? `${text(result)}, less than min ${min}`
    : `${text(result)}, more than max ${max}`;
}

/** The value as Prometheus writes it, or why there is none. */
function text(result: QueryResult): string {
  if (result.kind === 'none') return result.reason;
  const { value } = result;
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}
