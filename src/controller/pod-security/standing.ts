/** How a namespace stands with the Pod Security levels that profiles ask for. Pure. */
import { ApiError, classify, type FailureKind, isPermissionMissing } from '../../kube/errors.ts';
import type { Obstacle } from '../../policy/pod-security/decision.ts';
import type { Demand } from '../../policy/pod-security/demand.ts';
import { isAtLeast, type Levels, levelText, type Mode, MODES } from '../../policy/pod-security/levels.ts';
import { errorMessage } from '../../util/error-message.ts';
import { listText, shortList } from '../../util/list-text.ts';

/** The outcome for one namespace. */
export type Outcome =
  | {
      readonly kind: 'judged';
      /** The levels that the labels name now, whoever set them. */
      readonly levels: Levels;
      readonly obstacles: Readonly<Partial<Record<Mode, Obstacle>>>;
      /** The API server's words about running pods that violate the level of `enforce`. */
      readonly violations: readonly string[];
    }
  /** Labels would have no effect: none is written. */
  | { readonly kind: 'exempt' }
  | { readonly kind: 'pluginDisabled' }
  | { readonly kind: 'failed'; readonly failure: Problem };

export interface Standing {
  /** The demand that the outcome is about, as `demandKey`. */
  readonly demand: string;
  readonly outcome: Outcome;
}

/** Why a level is not in force in a namespace. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
  readonly kind: FailureKind;
}

/** Equal demands have equal keys. */
export function demandKey(demand: Demand | undefined): string {
  return demand === undefined ? '' : JSON.stringify(demand);
}

/** The reason why a profile's levels are not all in force in a namespace; undefined if they are. */
export function problemOf(asked: Levels, outcome: Outcome, namespace: string): Problem | undefined {
  if (outcome.kind === 'failed') return outcome.failure;
  if (outcome.kind !== 'judged') return INEFFECTIVE[outcome.kind];
  for (const mode of MODES) {
    const level = asked[mode];
    const current = outcome.levels[mode];
    if (level === undefined || (current !== undefined && isAtLeast(current, level))) continue;
    const text = levelText(level);
    const obstacle = outcome.obstacles[mode];
    if (obstacle?.kind === 'Conflict') return conflict(mode, text, obstacle);
    return violation({ level: level.level, text, violations: outcome.violations, namespace });
  }
  return undefined;
}

const INEFFECTIVE: Readonly<Record<'exempt' | 'pluginDisabled', Problem>> = {
  exempt: {
    reason: 'NamespaceExempt',
    message:
      "the API server's configuration exempts the namespace from Pod Security, so labels have no effect there: " +
      'exclude the namespace from the profile, or end the exemption',
    kind: 'stalled',
  },
  pluginDisabled: {
    reason: 'PluginDisabled',
    message:
      'the API server does not run its admission plugin PodSecurity, so labels have no effect: enable the plugin',
    kind: 'stalled',
  },
};

function conflict(mode: Mode, level: string, { value, managers }: Obstacle & { kind: 'Conflict' }): Problem {
  const who = managers.length === 0 ? 'an unknown field manager' : `field manager ${listText(managers)}`;
  const message =
    `${mode} is "${value}", set by ${who}, and ${level} is asked for: ` +
    'raise or remove that label, or exclude the namespace from the profile';
  return { reason: 'Conflict', message, kind: 'stalled' };
}

interface ViolationInput {
  readonly level: string;
  readonly text: string;
  readonly violations: readonly string[];
  readonly namespace: string;
}

function violation({ level, text, violations, namespace }: ViolationInput): Problem {
  const message =
    `running pods violate ${text}, so enforce is not raised: ${shortList(violations, { most: 5 })}; mend these pods, ` +
    `or accept it by acknowledge: {enforce: ${level}, namespaces: [${namespace}]}`;
  return { reason: 'ViolatingPods', message, kind: 'stalled' };
}

/** The problem that a failed request means. */
export function problemOfError(error: unknown): Problem {
  const message = errorMessage(error);
  return {
    reason: error instanceof ApiError ? error.reason : 'Error',
    message: isPermissionMissing(error) ? `${message}; ${PERMISSION_REMEDY}` : message,
    kind: classify(error),
  };
}

export function needsPermission({ message }: Problem): boolean {
  return message.endsWith(PERMISSION_REMEDY);
}

const PERMISSION_REMEDY = 'kubectl apply -k config/pod-security';
