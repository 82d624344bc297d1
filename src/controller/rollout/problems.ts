/** Why a rollout can't go on as it is, in the words of its condition. Pure. */
import { isForbidden } from '../../kube/errors.ts';
import { errorMessage } from '../../util/error-message.ts';
import { shortList } from '../../util/list-text.ts';
import type { UnreadCollection } from './workloads.ts';

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

/**
 * The problem of a gate that can't read workloads; undefined if it can. Its message is the same for the same collections, in
 * whichever order their watches fail: each other message would be a write of the profile's status.
 *
 * @param unread the collections, in a fixed order
 */
export function workloadProblem(unread: readonly UnreadCollection[]): Problem | undefined {
  const [first] = unread;
  if (first === undefined) return undefined;
  const named = (collections: readonly UnreadCollection[]) => shortList(collections.map(({ name }) => name));
  const forbidden = unread.filter(({ error }) => isForbidden(error));
  const effect = 'no further namespace gets the revision';
  if (forbidden.length === 0) {
    const cause = errorMessage(first.error);
    return {
      reason: 'WorkloadsUnreadable',
      message: `the gate can't read ${named(unread)}: ${cause}; ${effect}`,
    };
  }
  return {
    reason: 'PermissionMissing',
    message: `the operator may not list and watch ${named(forbidden)}: ${effect}; apply config/rollout, or remove spec.rollout.gates`,
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
