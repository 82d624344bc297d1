/** Compares observed flows with the policies to come, and with those before. Pure. */
import { type GroupVerdict, type JudgedGroup, judgeGroups } from '../../flows/judged.ts';
import type { ObservedGroup } from '../../flows/observed.ts';
import type { Questions } from '../explain/questions.ts';

/**
 * - `cut`: it passed, and the policies to come deny it
 * - `unknown`: the policies to come allow or deny it, and nobody can tell
 * - `passes`: it passed, and goes on to pass
 * - `opened`: it was denied, and the policies to come allow it
 * - `denied`: it was denied, and stays so
 * - `unaffected`: neither end is a pod
 */
export type Outcome = 'cut' | 'unknown' | 'passes' | 'opened' | 'denied' | 'unaffected';

export interface FlowOutcome extends JudgedGroup {
  readonly outcome: Outcome;
}

export interface OutcomeInput {
  readonly groups: readonly ObservedGroup[];
  /** About the policies to come. */
  readonly after: Questions;
  /** About the policies before; undefined to take the verdicts of the logs instead. */
  readonly before: Questions | undefined;
}

/** The outcome of each group, those seen most often first. */
export function outcomesOf({ groups, after, before }: OutcomeInput): FlowOutcome[] {
  const verdictsBefore = new Map(
    before === undefined ? [] : judgeGroups(groups, before).map(({ group, verdict }) => [group, verdict]),
  );
  const passed = (group: ObservedGroup) => {
    const verdict = verdictsBefore.get(group) ?? 'unknown';
    // If nobody can tell by the policies, the log tells.
    return verdict === 'unknown' ? group.verdict === 'allowed' : verdict !== 'denied';
  };
  return judgeGroups(groups, after)
    .map((judged) => ({ ...judged, outcome: outcomeOf(judged.verdict, passed(judged.group)) }))
    .toSorted((a, b) => b.group.count - a.group.count);
}

function outcomeOf(verdict: GroupVerdict, passed: boolean): Outcome {
  if (verdict === 'unaffected' || verdict === 'unknown') return verdict;
  if (passed) return verdict === 'allowed' ? 'passes' : 'cut';
  return verdict === 'allowed' ? 'opened' : 'denied';
}
