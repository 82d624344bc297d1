/** Queries of gates that break, and recover, while a wave is under way: minutes after a profile was changed. Pure. */
import { type Dice, pick } from '../../faults/model.ts';
import { NO_FAULTS } from '../faults/rates.ts';
import type { Reply } from '../server/prometheus.ts';
import { type Action, pause, type Plan, type Round, type Step } from './actions.ts';
import { QUERY_MAX } from './rollouts.ts';

type WriteProfile = Extract<Action, { readonly do: 'write profile' }>;

interface GatedSpec {
  readonly baseline?: { readonly sameNamespace?: string };
  readonly rollout?: { readonly gates?: { readonly prometheus?: unknown } | null } | null;
}

/** Longest time until a query breaks or recovers, in milliseconds: within the soak time of a wave, or soon after it. */
const LATEST_MS = 150_000;

/** Adds one or two such rounds, if a profile has a gate that asks Prometheus. */
export function withBrokenQueries(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const written = plan.rounds
    .flatMap(({ steps }) => steps.map(({ action }) => action))
    .filter((action): action is WriteProfile => action.do === 'write profile');
  // With the same rollout as before, so that its gates can be judged.
  const latest = new Map(written.map((action) => [action.name, action]));
  const gated = [...latest.values()].filter(hasQuery);
  if (gated.length === 0) return plan;
  const rounds = Array.from({ length: 1 + roll(2) }, () => brokenRound(pick(roll, gated), roll, nextId));
  return { ...plan, rounds: [...plan.rounds, ...rounds] };
}

function hasQuery({ spec }: WriteProfile): boolean {
  return (spec as GatedSpec).rollout?.gates?.prometheus !== undefined;
}

function brokenRound(written: WriteProfile, roll: Dice, nextId: () => number): Round {
  const step = (action: Action, after = pause(roll)): Step => ({ id: nextId(), after, action });
  const later = () => pick(roll, [roll(10_000), roll(70_000), roll(LATEST_MS)]);
  const reply = (of: readonly Reply[]): Action => ({ do: 'reply', reply: pick(roll, of) });
  const recovery = pick(roll, [[], [step(reply([0, QUERY_MAX]), later())]]);
  const restart = pick(roll, [
    [],
    [],
    [],
    [step({ do: 'crash' }, later())],
    [step({ do: 'lose lease' }, later())],
  ]);
  return {
    rates: NO_FAULTS,
    steps: [
      step({ do: 'reply', reply: 0 }),
      step(changed(written)),
      ...(roll(2) === 0 ? restart : []),
      step(reply([QUERY_MAX + 4, QUERY_MAX + 4, 'error', 'silent']), later()),
      ...restart,
      ...recovery,
    ],
    isQuiet: false,
  };
}

/** The profile with another intent than before, so that a rollout begins. */
function changed(written: WriteProfile): Action {
  const spec = written.spec as GatedSpec;
  const sameNamespace = spec.baseline?.sameNamespace === 'Allow' ? 'Deny' : 'Allow';
  return { ...written, spec: { ...spec, baseline: { ...spec.baseline, sameNamespace } } };
}
