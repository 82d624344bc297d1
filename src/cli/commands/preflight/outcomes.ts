/** Compares observed flows with the policies to come, and with those before. Pure. */
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { type JudgedGroup, judgeGroups } from '../../flows/judged.ts';
import type { ObservedGroup } from '../../flows/observed.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { Questions } from '../explain/questions.ts';

/**
 * - `cut`: it passed, and the policies to come deny it
 * - `passes`: it passed, and goes on to pass
 * - `opened`: it was denied, and the policies to come allow it
 * - `denied`: it was denied, and stays so
 * - `unaffected`: neither end is a pod
 */
export type Outcome = 'cut' | 'passes' | 'opened' | 'denied' | 'unaffected';

export interface FlowOutcome extends JudgedGroup {
  readonly outcome: Outcome;
}

export interface OutcomeInput {
  readonly groups: readonly ObservedGroup[];
  readonly snapshot: Snapshot;
  readonly policies: readonly NetworkPolicy[];
  /** The policies before; undefined to take the verdicts of the logs instead. */
  readonly before: readonly NetworkPolicy[] | undefined;
}

/** The outcome of each group, those seen most often first. */
export function outcomesOf({ groups, snapshot, policies, before }: OutcomeInput): FlowOutcome[] {
  const passedBefore =
    before === undefined
      ? undefined
      : new Map(
          judgeGroups(groups, new Questions(snapshot, before)).map(({ group, allowed }) => [group, allowed]),
        );
  const passed = (group: ObservedGroup) =>
    passedBefore === undefined ? group.verdict === 'allowed' : passedBefore.get(group) !== false;
  return judgeGroups(groups, new Questions(snapshot, policies))
    .map((judged) => ({ ...judged, outcome: outcomeOf(judged.allowed, passed(judged.group)) }))
    .toSorted((a, b) => b.group.count - a.group.count);
}

function outcomeOf(allowed: boolean | undefined, passed: boolean): Outcome {
  if (allowed === undefined) return 'unaffected';
  if (passed) return allowed ? 'passes' : 'cut';
  return allowed ? 'opened' : 'denied';
}
