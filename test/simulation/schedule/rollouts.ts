/** Rollouts of a plan: waves of profiles, the health of workloads that gates look at, and people who steer. Pure. */
import { TENANT } from '../../faults/changes.ts';
import { type Dice, pick } from '../../faults/model.ts';
import type { Reply } from '../server/prometheus.ts';
import { type Action, PROFILES, type Plan, STABLE, withActions, withSpecs } from './actions.ts';

/** Most waves of a rollout, and their longest soak time and deadline, in minutes. */
export const MOST_WAVES = 2;
export const LONGEST_SOAK_MINUTES = 2;
export const LONGEST_DEADLINE_MINUTES = 3;

/** The name of the query of gates, and its bound. */
export const QUERY = 'errors';
export const QUERY_MAX = 1;
/** Workloads that the operator may be forbidden to read. It reads pods for other reasons too. */
export const FORBIDDEN_WORKLOADS = /\/(deployments|statefulsets|daemonsets)$/;

export function withRollouts(plan: Plan, roll: Dice, nextId: () => number): Plan {
  // A limit that the operator may read late would say nothing of how many namespaces it let in.
  const maxParallel = new Map(PROFILES.map((name) => [name, pick(roll, [null, 1, 2])]));
  const rolled = withSpecs(plan, (spec, name) => ({
    ...spec,
    rollout: roll(5) === 0 ? null : { ...randomRollout(roll), maxParallel: maxParallel.get(name) },
  }));
  const steered = withActions(rolled, roll, nextId, () => [
    ...randomWorkloads(roll),
    ...Array.from({ length: roll(2) }, () => randomSteering(roll)),
  ]);
  return { ...steered, hasRollouts: true };
}

function randomRollout(roll: Dice): object {
  const soak = () => pick(roll, [{}, {}, { soak: '1m' }, { soak: `${LONGEST_SOAK_MINUTES}m` }]);
  const tenant = (value: string) => ({ namespaceSelector: { matchLabels: { [TENANT]: value } } });
  const waves = pick(roll, [
    [{ name: 'first', ...tenant('blue') }],
    [
      { name: 'first', ...tenant('red') },
      { name: 'second', percent: 50 },
    ],
    [
      { name: 'first', percent: 30 },
      { name: 'second', percent: 100 },
    ],
    [{ name: 'first', namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'a' } } }],
  ]);
  return {
    waves: waves.map((wave) => ({ ...wave, soak: '0m', ...soak() })),
    deadline: pick(roll, ['1m', `${LONGEST_DEADLINE_MINUTES}m`]),
    onFailure: pick(roll, ['Rollback', 'Rollback', 'Pause']),
    gates: pick(roll, [null, { workloads: { maxUnavailable: 0, for: '1m' } }]),
    paused: false,
  };
}

/** Gives most profiles gates, which break, recover, and can't see for a while. */
export function withGates(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const workloads = { maxUnavailable: 0, for: '1m' };
  const prometheus = [{ name: QUERY, query: QUERY, max: QUERY_MAX, for: '1m' }];
  // A profile keeps its gates, so that each failure of a gate can be judged.
  const gates = new Map(
    PROFILES.map((name) => [
      name,
      pick(roll, [null, { workloads }, { prometheus }, { workloads, prometheus }]),
    ]),
  );
  const gated = withSpecs(plan, (spec, name) => {
    const { rollout } = spec as { readonly rollout: object | null };
    return rollout === null ? spec : { ...spec, rollout: { ...rollout, gates: gates.get(name) } };
  });
  return withActions(gated, roll, nextId, () => [
    ...Array.from(
      { length: roll(3) },
      (): Action => ({
        do: 'reply',
        reply: pick<Reply>(roll, [0, 0, 1, QUERY_MAX + 4, 'error', 'silent']),
      }),
    ),
    ...Array.from(
      { length: roll(3) },
      (): Action => ({
        do: 'forbid workloads',
        isForbidden: roll(3) > 0,
      }),
    ),
    ...randomWorkloads(roll),
  ]);
}

function randomWorkloads(roll: Dice): Action[] {
  return Array.from({ length: roll(4) }, () => ({
    do: 'workload',
    namespace: pick(roll, STABLE),
    name: pick(roll, ['web', 'db']),
    available: pick(roll, [0, 1, 1]),
  }));
}

function randomSteering(roll: Dice): Action {
  const profile = pick(roll, PROFILES);
  return pick<Action>(roll, [
    { do: 'promote', profile, isAll: roll(2) === 0 },
    { do: 'retry rollout', profile },
    { do: 'pause rollout', profile, paused: true },
    { do: 'pause rollout', profile, paused: false },
    { do: 'pause rollout', profile, paused: false },
  ]);
}
