/** Why a rollout can't go on as it is, in the words of its condition. Pure. */
import { isForbidden } from '../../kube/errors.ts';
import { errorMessage } from '../../util/error-message.ts';

export interface Problem {
  readonly reason:
    | 'PermissionMissing'
    | 'RevisionsUnreadable'
    | 'RevisionNotRecorded'
    | 'WorkloadsUnreadable'
    | 'PrometheusMissing';
  readonly message: string;
}

/** @param namespace the operator's own */
export function readProblem(error: unknown, namespace: string): Problem {
  if (isForbidden(error)) return permissionMissing(namespace);
  const message = `the ControllerRevisions in namespace ${namespace} can't be read: ${errorMessage(error)}`;
  return { reason: 'RevisionsUnreadable', message };
}

/** @param namespace the operator's own */
export function recordProblem(error: unknown, namespace: string): Problem {
  if (isForbidden(error)) return permissionMissing(namespace);
  const message = `the revision can't be recorded in namespace ${namespace}: ${errorMessage(error)}`;
  return { reason: 'RevisionNotRecorded', message };
}

export function workloadProblem(error: unknown): Problem {
  const message = `the gate can't read workloads: ${errorMessage(error)}; no further namespace gets the revision`;
  if (!isForbidden(error)) return { reason: 'WorkloadsUnreadable', message };
  return {
    reason: 'PermissionMissing',
    message: `${message}; apply config/rollout, or remove spec.rollout.gates`,
  };
}

export const PROMETHEUS_MISSING: Problem = {
  reason: 'PrometheusMissing',
  message:
    "spec.rollout.gates.prometheus needs a server that answers its queries: write prometheus.url into the operator's " +
    'configuration, or remove the queries; until then no further namespace gets the revision',
};

function permissionMissing(namespace: string): Problem {
  const message =
    `the operator may not read and write ControllerRevisions in namespace ${namespace}: apply config/rollout, or remove ` +
    'spec.rollout; until then the policies stay as they are';
  return { reason: 'PermissionMissing', message };
}
