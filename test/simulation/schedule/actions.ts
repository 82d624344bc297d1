/** A schedule: the rounds of a plan, their steps, and what each does. Pure. */
import { type Dice, pick } from '../../faults/model.ts';
import type { EngineAction, EngineScene } from '../engines/actions.ts';
import type { FaultRates } from '../faults/rates.ts';
import type { Reply } from '../server/prometheus.ts';

/** Namespaces whose pods exist all the time. */
export const STABLE = ['a', 'b', 'c'] as const;
/** Namespaces that are created and deleted, and so are their pods. */
export const TRANSIENT = ['d', 'e'] as const;
export const NAMESPACES: readonly string[] = [...STABLE, ...TRANSIENT];
export const PROFILES: readonly string[] = ['p', 'q'];

type RolloutAction =
  /** Sets how many pods of a Deployment are available, of one that it should have; the Deployment may be new. */
  | {
      readonly do: 'workload';
      readonly namespace: string;
      readonly name: string;
      readonly available: number;
    }
  /** Lets the revision under way go on: past its wave, or to all namespaces. */
  | { readonly do: 'promote'; readonly profile: string; readonly isAll: boolean }
  /** Lets the latest revision begin again if it has failed. */
  | { readonly do: 'retry rollout'; readonly profile: string }
  /** Prometheus replies so to every query from now on. */
  | { readonly do: 'reply'; readonly reply: Reply }
  /** The operator may not read workloads from now on, or may again. */
  | { readonly do: 'forbid workloads'; readonly isForbidden: boolean }
  | { readonly do: 'pause rollout'; readonly profile: string; readonly paused: boolean };

type ExceptionAction =
  | {
      readonly do: 'ask';
      readonly namespace: string;
      readonly name: string;
      /** Until the end, in milliseconds. */
      readonly forMs: number;
      /** The flows, and the profile if one is named. */
      readonly spec: object;
    }
  | { readonly do: 'approve'; readonly namespace: string; readonly name: string }
  | { readonly do: 'withdraw'; readonly namespace: string; readonly name: string }
  /** A later end; with a negative number, an earlier one. */
  | { readonly do: 'extend'; readonly namespace: string; readonly name: string; readonly byMs: number };

export type Action =
  | RolloutAction
  | ExceptionAction
  | EngineAction
  | { readonly do: 'write profile'; readonly name: string; readonly spec: object }
  | { readonly do: 'delete profile'; readonly name: string }
  | {
      readonly do: 'label';
      readonly namespace: string;
      readonly labels: Readonly<Record<string, string | null>>;
    }
  | { readonly do: 'create namespace' | 'delete namespace'; readonly namespace: string }
  | { readonly do: 'pods'; readonly namespace: string; readonly count: number }
  | { readonly do: 'service'; readonly app: string; readonly port: number }
  | { readonly do: 'delete service' }
  | { readonly do: 'endpoints'; readonly addresses: readonly string[] }
  | { readonly do: 'node'; readonly name: string; readonly address: string | undefined }
  | {
      readonly do: 'foreign policy';
      readonly namespace: string;
      readonly name: string;
      readonly spec: object | undefined;
    }
  | { readonly do: 'drift'; readonly namespace: string; readonly choice: number; readonly how: number }
  /** At the leader's n-th request from now on. */
  | { readonly do: 'crash at'; readonly request: number; readonly when: 'before' | 'after' }
  | { readonly do: 'freeze'; readonly ms: number }
  | { readonly do: 'crash' | 'crash standby' | 'lose lease' | 'compact' }
  | { readonly do: 'cut' | 'hang'; readonly whose: 'leader' | 'standby'; readonly choice: number }
  /** The wall clocks of all replicas step to so many milliseconds ahead. */
  | { readonly do: 'wall clock'; readonly skew: number }
  /** The wall clock of one replica does. */
  | { readonly do: 'clock'; readonly whose: 'leader' | 'standby'; readonly skew: number };

export interface Step {
  /** Unique in the plan. */
  readonly id: number;
  /** Milliseconds after the previous step. */
  readonly after: number;
  readonly action: Action;
}

export interface Round {
  readonly rates: FaultRates;
  readonly steps: readonly Step[];
  /** The round only restarts replicas and disturbs watches, so no write may follow (I6). */
  readonly isQuiet: boolean;
}

export interface Plan {
  readonly seed: number;
  /** The version of the generator that made the plan. */
  readonly generator: number;
  readonly concurrency: number;
  readonly resyncMs: number;
  readonly hasStandby: boolean;
  readonly rounds: readonly Round[];
  readonly hasRollouts: boolean;
  readonly hasExceptions: boolean;
  /** The network engine; absent: the operator's configuration names none. */
  readonly engine?: EngineScene;
  /** How far the wall clock of each replica is ahead when it starts, in milliseconds; the replicas take turns. */
  readonly skews: readonly number[];
}

/** Addresses of the Service without selector. */
export const EXTERNAL = ['192.0.2.10', '192.0.2.11'] as const;
export const NODE_ADDRESSES = ['192.0.2.101', '192.0.2.102'] as const;

/** Longest time between two steps that belong together, in milliseconds. */
export const LONGEST_PAUSE_MS = 3_000;

/** Milliseconds between two steps. */
export function pause(roll: Dice): number {
  return pick(roll, [0, roll(5), roll(30), roll(300), roll(LONGEST_PAUSE_MS)]);
}

const DISTURBING: readonly Action['do'][] = [
  'configure',
  'crash',
  'crash at',
  'crash standby',
  'freeze',
  'lose lease',
  'cut',
  'hang',
  'compact',
  'wall clock',
  'clock',
];

/** True if nothing disturbs the operator in the round. */
export function isCalm({ rates, steps }: Round): boolean {
  return Object.values(rates).every((rate) => rate === 0) && !steps.some(isDisturbing);
}

export function isDisturbing({ action }: Step): boolean {
  return DISTURBING.includes(action.do);
}

/** The plan with more actions at random places of its rounds that have faults or changes. */
export function withActions(
  plan: Plan,
  roll: Dice,
  nextId: () => number,
  actionsOf: (round: Round, index: number) => readonly Action[],
): Plan {
  const rounds = plan.rounds.map((round, index): Round => {
    if (round.isQuiet) return round;
    const steps = [...round.steps];
    let at = 0;
    for (const action of actionsOf(round, index)) {
      at += roll(steps.length - at + 1);
      steps.splice(at, 0, { id: nextId(), after: pause(roll), action });
    }
    return { ...round, steps };
  });
  return { ...plan, rounds };
}

/** The plan with other specs of its profiles. */
export function withSpecs(plan: Plan, change: (spec: object, name: string) => object): Plan {
  const changed = (step: Step): Step => {
    const { action } = step;
    if (action.do !== 'write profile') return step;
    return { ...step, action: { ...action, spec: change(action.spec, action.name) } };
  };
  return { ...plan, rounds: plan.rounds.map((round) => ({ ...round, steps: round.steps.map(changed) })) };
}
