/** A round of a probe: all its flows at once, each by a new connection. */
import type { Outcome } from '../model/flow-book.ts';
import type { PlannedFlow } from '../model/matrix.ts';
import type { Attempt } from './attempt.ts';

/** Most attempts at the same time: a flow and its control are neighbours in the plan, and so are tried together. */
const AT_ONCE = 256;

/** The outcomes by key of the flow. */
export async function tryFlows(
  flows: readonly PlannedFlow[],
  attempt: Attempt,
  ownAddresses: readonly string[],
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const waiting = flows.values();
  const work = async (): Promise<void> => {
    for (const flow of waiting) {
      const outcome = await attempt(flow);
      // The source address is worth a word only if somebody has changed it on the way.
      const isOwn = outcome.kind === 'passed' && ownAddresses.includes(outcome.seenAs);
      outcomes.set(flow.key, isOwn ? { kind: 'passed', seenAs: '' } : outcome);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, flows.length) }, work));
  return outcomes;
}

/** The flows of which the same is expected in both plans: a change in between makes an outcome worthless. */
export function unchangedFlows(before: readonly PlannedFlow[], after: readonly PlannedFlow[]): PlannedFlow[] {
  const expected = new Map(after.map(({ key, expectation }) => [key, JSON.stringify(expectation)]));
  return before.filter(({ key, expectation }) => expected.get(key) === JSON.stringify(expectation));
}
