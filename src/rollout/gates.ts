/**
 * The gates of a rollout together: before a wave begins, what they see is recorded; as long as the wave is under way, they
 * compare. Pure.
 */
import type { ProfileSpec } from '../api/profile.ts';
import { rfc3339 } from '../util/rfc3339.ts';
import type { RolloutState } from './assign.ts';
import { judgeQueries, type QueryAnswers, type RecordedValues } from './query-gate.ts';
import {
  judgeWorkloads,
  type RecordedWorkloads,
  recordedOf,
  type UnavailableWorkload,
  type WorkloadInput,
} from './workload-gate.ts';

export type Gates = NonNullable<NonNullable<ProfileSpec['rollout']>['gates']>;

/** The observations of the gates in the wave that is under way. */
export interface GateInput {
  readonly workloads: WorkloadInput;
  readonly queries: QueryAnswers;
}

export interface GateContext {
  /** The record of the wave's beginning; undefined before that. */
  readonly recorded: RolloutState['gates'];
  /** The namespaces of the wave, and those of them that were let in. */
  readonly members: ReadonlySet<string>;
  readonly reached: ReadonlySet<string>;
  /** Since when the wave is in its phase: a wave ends only by what was seen since. Milliseconds since the epoch. */
  readonly phaseSince: number;
  readonly deadlineMs: number;
  readonly now: number;
}

export type GateFailure = Omit<NonNullable<RolloutState['failure']>, 'wave'>;

export type GateVerdict =
  /** Nothing speaks against going on. */
  | { readonly kind: 'open' }
  /** Further namespaces may be let in, but the wave does not end before its gates have looked at it. */
  | { readonly kind: 'unseen'; readonly reason: string; readonly wakeAt: number }
  /** No further namespace is let in, and no wave ends. */
  | { readonly kind: 'closed'; readonly reason: string; readonly wakeAt?: number }
  /** The wave may begin, once this is recorded. */
  | { readonly kind: 'begun'; readonly recorded: NonNullable<RolloutState['gates']> }
  | { readonly kind: 'failed'; readonly failure: GateFailure };

/** The verdict of one kind of gates: `open` with what is to be recorded when the wave begins. */
type Part<Recorded> =
  | { readonly kind: 'open'; readonly recorded: Recorded }
  | Extract<GateVerdict, { readonly kind: 'closed' | 'failed' }>;

const OPEN: GateVerdict = { kind: 'open' };
/** Milliseconds until an answer is looked for that changes nothing but the time of the last one. */
const RECHECK_MS = 5_000;
const TOO_MANY_UNAVAILABLE =
  'more than 100 workloads of the wave are unavailable already: mend them, exclude their namespaces, or remove the gate';

/** The verdict of all gates on the wave that is under way. A wave without namespaces has nothing to look at. */
export function judgeGates(gates: Gates, input: GateInput, context: GateContext): GateVerdict {
  const { members, recorded, now } = context;
  const hasGates = gates.workloads !== undefined || (gates.prometheus ?? []).length > 0;
  if (!hasGates || members.size === 0) return OPEN;
  const workloads = workloadPart(gates, input.workloads, context);
  const queries = queryPart(gates, input.queries, context);
  if (workloads.kind === 'failed') return workloads;
  if (queries.kind === 'failed') return queries;
  const closed = [workloads, queries].filter((part) => part.kind === 'closed');
  if (closed.length > 0) return allClosed(closed);
  if (recorded !== undefined) return seenSince(gates, input.queries, context);
  if (workloads.kind === 'closed' || queries.kind === 'closed') return OPEN;
  const [unavailable, values] = [workloads.recorded, queries.recorded];
  return {
    kind: 'begun',
    recorded: {
      since: rfc3339(now),
      ...(unavailable.length > 0 && { unavailable }),
      ...(values.length > 0 && { queries: values }),
    },
  };
}

/** `unseen` if a query has no answer from the present phase of the wave, whose beginning is known to the second. */
function seenSince(
  { prometheus = [] }: Gates,
  answers: QueryAnswers,
  { phaseSince, now }: GateContext,
): GateVerdict {
  const unseen = prometheus.find(({ name }) => (answers.get(name)?.at ?? 0) < phaseSince + 1000);
  if (unseen === undefined) return OPEN;
  return { kind: 'unseen', reason: `query ${unseen.name} is being asked`, wakeAt: now + RECHECK_MS };
}

function allClosed(closed: readonly Extract<GateVerdict, { readonly kind: 'closed' }>[]): GateVerdict {
  const wakeAt = Math.min(...closed.map((each) => each.wakeAt ?? Number.POSITIVE_INFINITY));
  const reason = closed.map((each) => each.reason).join('; ');
  return { kind: 'closed', reason, ...(Number.isFinite(wakeAt) && { wakeAt }) };
}

function workloadPart(
  { workloads: gate }: Gates,
  input: WorkloadInput,
  { recorded, members, reached, now }: GateContext,
): Part<RecordedWorkloads> {
  if (gate === undefined || input.kind === 'off') return { kind: 'open', recorded: [] };
  if (input.kind === 'unread' || ![...members].every(input.covers))
    return { kind: 'closed', reason: 'the workloads of the wave are being read' };
  const { unavailable } = input;
  if (recorded === undefined) {
    const names = recordedOf(unavailable, members);
    return names === undefined
      ? { kind: 'closed', reason: TOO_MANY_UNAVAILABLE }
      : { kind: 'open', recorded: names };
  }
  const { failed, suspects, wakeAt } = judgeWorkloads(gate, recorded, unavailable, {
    namespaces: reached,
    now,
  });
  if (failed.length > 0) return { kind: 'failed', failure: workloadFailure(failed) };
  if (wakeAt === undefined) return { kind: 'open', recorded: [] };
  return { kind: 'closed', reason: `${subjectOf(suspects)} unavailable, with time to recover`, wakeAt };
}

function queryPart(
  { prometheus = [] }: Gates,
  answers: QueryAnswers,
  { recorded, deadlineMs, now }: GateContext,
): Part<RecordedValues> {
  const values = recorded && (recorded.queries ?? []);
  const verdict = judgeQueries(prometheus, answers, { recorded: values, deadlineMs, now });
  if (verdict.kind === 'open') return { kind: 'open', recorded: verdict.values };
  if (verdict.kind === 'closed') return verdict;
  const { reason, message } = verdict;
  return { kind: 'failed', failure: { reason, message } };
}

function workloadFailure(failed: readonly UnavailableWorkload[]): GateFailure {
  return {
    namespace: failed[0]?.namespace ?? '',
    reason: 'WorkloadsUnavailable',
    message: `${nameOf(failed[0])}${andMore(failed.length)} became unavailable after the wave began`,
  };
}

/** `Deployment shop/web is`. */
function subjectOf(workloads: readonly UnavailableWorkload[]): string {
  return `${nameOf(workloads[0])}${andMore(workloads.length)} ${workloads.length > 1 ? 'are' : 'is'}`;
}

/** As kubectl names it: `Deployment shop/web`. */
function nameOf(workload: UnavailableWorkload | undefined): string {
  const [namespace = '', kind = '', name = ''] = workload?.name.split('/') ?? [];
  return `${kind} ${namespace}/${name}`;
}

/** ` (and 2 more)`. */
export function andMore(count: number): string {
  return count > 1 ? ` (and ${count - 1} more)` : '';
}
