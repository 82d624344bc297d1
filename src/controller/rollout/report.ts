/** The condition RolloutReady of a profile. Pure. */
import { isStopped } from '../../rollout/advance.ts';
import type { Revisions, RolloutState } from '../../rollout/assign.ts';
import { counted } from '../../util/list-text.ts';
import type { CapabilityReport } from '../capability.ts';
import type { Problem } from './problems.ts';

export interface Outlook {
  /** How many namespaces lack the latest revision. */
  readonly lacking: number;
  /** Why a gate keeps namespaces out for now. */
  readonly obstacle: string | undefined;
}

const TYPE = 'RolloutReady';

export function problemReport({ reason, message }: Problem, state: RolloutState): CapabilityReport {
  return {
    condition: { type: TYPE, status: 'False', reason, message },
    isStalled: reason === 'PermissionMissing' || reason === 'PrometheusMissing',
    status: { rollout: state },
  };
}

export function progressingReport(message: string, state: RolloutState): CapabilityReport {
  return {
    condition: { type: TYPE, status: 'False', reason: 'Progressing', message },
    isStalled: false,
    status: { rollout: state },
  };
}

export function rolloutReport(
  state: RolloutState,
  revisions: Revisions,
  { lacking, obstacle }: Outlook,
): CapabilityReport {
  const { phase, revision, failure } = state;
  const status = { rollout: state };
  if (phase === 'Complete') {
    const message = `every namespace has revision ${revision}`;
    return {
      condition: { type: TYPE, status: 'True', reason: 'Complete', message },
      isStalled: false,
      status,
    };
  }
  if (isStopped(state)) {
    const what = `revision ${revision} failed in wave ${failure?.wave ?? ''}: ${failure?.message ?? ''}`;
    const reason = phase === 'RolledBack' ? 'RolledBack' : 'RolloutFailed';
    const condition = { type: TYPE, status: 'False', reason, message: `${what}; ${REMEDY[reason]}` } as const;
    return { condition, isStalled: true, status };
  }
  const where = waveText(state, revisions);
  if (phase === 'Paused') {
    const message = `${where}: paused by spec.rollout.paused`;
    return {
      condition: { type: TYPE, status: 'False', reason: 'Paused', message },
      isStalled: false,
      status,
    };
  }
  const doing =
    phase === 'Soaking'
      ? `all namespaces have it since ${state.since}, and the soak time runs`
      : `${counted(lacking, 'namespace')} still to get it`;
  return progressingReport(`${where}: ${doing}${obstacle === undefined ? '' : `; ${obstacle}`}`, state);
}

const REMEDY = {
  RolledBack:
    'the namespaces have what they had before; correct the profile, or try again with kubectl segmentation rollout resume',
  RolloutFailed:
    'correct the profile, go back with kubectl segmentation rollout undo, or go on with kubectl segmentation rollout promote',
} as const;

/** `revision 3, wave canary (1 of 3)`. */
function waveText({ revision, wave = '', inForce }: RolloutState, revisions: Revisions): string {
  const [top] = inForce;
  const { waves = [] } = (top && revisions.get(top.revision)) ?? {};
  return `revision ${revision}, wave ${wave} (${(top?.wave ?? 0) + 1} of ${waves.length + 1})`;
}
