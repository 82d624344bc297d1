/** Reduces a schedule that broke an invariant, and reports it with the command that repeats it. */
import type { Plan } from '../schedule/actions.ts';
import { NO_FAULTS } from '../faults/rates.ts';
import { type Result, simulate } from '../simulation.ts';

/** Lines of the trace in a report: its end, where the invariant broke. */
const TRACE_LINES = 60;

/**
 * Leaves out rounds, steps and fault rates without which the schedule still breaks the same invariant. Without its last steps,
 * many a schedule leaves the cluster in a state in which it can't converge, which would hide the fault.
 *
 * @param tries simulations at most
 */
export async function shrink(plan: Plan, tries = 400): Promise<Plan> {
  const broken = invariantOf((await simulate(plan)).breach);
  let smallest = plan;
  let left = tries;
  const accepts = async (candidate: Plan): Promise<boolean> => {
    if (left-- <= 0) return false;
    const { breach } = await simulate(candidate);
    if (breach === undefined || invariantOf(breach) !== broken) return false;
    smallest = candidate;
    return true;
  };
  for (;;) {
    const before = smallest;
    for (let index = smallest.rounds.length - 1; index >= 0; index--)
      await accepts({ ...smallest, rounds: smallest.rounds.filter((_, at) => at !== index) });
    for (const id of idsOf(smallest).toReversed())
      await accepts(keeping(smallest, new Set(idsOf(smallest).filter((each) => each !== id))));
    for (const index of smallest.rounds.keys())
      if (smallest.rounds[index]?.rates !== NO_FAULTS)
        await accepts({
          ...smallest,
          rounds: smallest.rounds.map((round, at) => (at === index ? { ...round, rates: NO_FAULTS } : round)),
        });
    if (smallest.hasStandby) await accepts({ ...smallest, hasStandby: false });
    if (smallest === before || left <= 0) return smallest;
  }
}

/** The invariant that a breach names; undefined if it names none. */
function invariantOf(breach: string | undefined): string | undefined {
  return /^I\d/.exec(breach ?? '')?.[0];
}

function idsOf({ rounds }: Plan): number[] {
  return rounds.flatMap(({ steps }) => steps.map(({ id }) => id));
}

function keeping(plan: Plan, ids: ReadonlySet<number>): Plan {
  const rounds = plan.rounds.map((round) => ({
    ...round,
    steps: round.steps.filter(({ id }) => ids.has(id)),
  }));
  return { ...plan, rounds };
}

/** The broken invariant, the schedule, the end of the trace, and the command that repeats it. */
export async function report(plan: Plan): Promise<string> {
  const { seed, generator } = plan;
  const { breach, trace }: Result = await simulate(plan, { isTraced: true });
  const actions = plan.rounds.flatMap(({ rates, steps }, index) => [
    `round ${index}, fault rates ${JSON.stringify(rates)}`,
    ...steps.map(({ after, action }) => `  ${after} ms later: ${JSON.stringify(action)}`),
  ]);
  const omitted = trace.length - TRACE_LINES;
  return [
    `SEED ${seed}: ${breach}`,
    `replay: npm run test:simulation -- --seed ${seed} --generator ${generator}`,
    '',
    `the reduced schedule (concurrency ${plan.concurrency}, standby ${plan.hasStandby}):`,
    ...actions,
    '',
    `the end of its trace${omitted > 0 ? ` (${omitted} lines before; --trace FILE writes all)` : ''}:`,
    ...trace.slice(-TRACE_LINES),
  ].join('\n');
}
