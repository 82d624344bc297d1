/** Clocks of a plan: those of the replicas differ, and step. Pure. */
import { type Dice, pick } from '../../faults/model.ts';
import { type Plan, withActions } from './actions.ts';

/** How far a clock is off at most, in milliseconds. docs/exceptions.md names this bound. */
export const MOST_SKEW_MS = 5 * 60_000;

export function withClocks(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const skew = () => pick(roll, [0, 0, 1_500, -1_500, 90_000, -90_000, MOST_SKEW_MS, -MOST_SKEW_MS]);
  const rounds = plan.rounds.map((round) => ({
    ...round,
    steps: round.steps.map((step) =>
      step.action.do === 'wall clock'
        ? { ...step, action: { do: 'clock', whose: 'leader', skew: skew() } as const }
        : step,
    ),
  }));
  const skews = Array.from({ length: 4 }, skew);
  return withActions({ ...plan, rounds, skews }, roll, nextId, () =>
    Array.from({ length: pick(roll, [0, 0, 1]) }, () => ({
      do: 'clock',
      whose: pick(roll, ['leader', 'leader', 'standby']),
      skew: skew(),
    })),
  );
}
