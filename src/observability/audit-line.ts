/** The audit trail of writes: each as a line of the log that says why, by what change, and after whose drift. */
import { changedBy } from '../api/managed-fields.ts';
import { LABEL_PROFILE, LABEL_ROLE, LABEL_RULE } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { OnObjectWrite } from '../controller/engines/objects.ts';
import type { PolicyWrite } from '../controller/observer.ts';
import { summarizeChange } from '../policy/planning/change-summary.ts';
import type { Step } from '../policy/planning/plan.ts';
import type { Logger } from './logs/logger.ts';

const DONE = { create: 'created', update: 'updated', delete: 'deleted' } as const;

/** The fields of the log line for a write; bounded in size. */
export function writeFields({ step, before, after, isDriftOnly }: PolicyWrite): Record<string, unknown> {
  const desired = step.verb === 'delete' ? undefined : step.policy;
  const { metadata } = (after ?? before ?? desired) as NetworkPolicy;
  const isReverted = isRepair(step, isDriftOnly);
  const managers = isReverted ? changedBy(before) : [];
  return {
    namespace: metadata.namespace,
    policy: metadata.name,
    profile: metadata.labels?.[LABEL_PROFILE],
    role: metadata.labels?.[LABEL_ROLE],
    rule: metadata.labels?.[LABEL_RULE],
    reason: isReverted ? `drift: ${step.reason}` : step.reason,
    ...(managers.length > 0 && { changedBy: managers.join(', ') }),
    ...summarizeChange(before, desired),
    resourceVersion: after?.metadata.resourceVersion,
  };
}

/** True if the write reverts a change by others; a transition policy only prepares such a write. */
export function isRepair(step: Step, isDriftOnly: boolean): boolean {
  return isDriftOnly && step.reason !== 'transition';
}

/** Logs each write of an object of another kind than NetworkPolicy. @param what it is, as in `guard` */
export function createObjectWriteLog(logger: Pick<Logger, 'info'>, what: string): OnObjectWrite {
  return (verb, { kind, metadata: { namespace, name } }, managers) =>
    logger.info(`${what} ${DONE[verb]}`, {
      verb,
      kind,
      ...(namespace !== undefined && { namespace }),
      name,
      ...revertedFields(managers),
    });
}

/** The fields of a write that takes back a change by others; none for any other write. */
function revertedFields(managers: readonly string[] | undefined): Record<string, string> {
  if (managers === undefined) return {};
  return { reason: 'drift: changed', ...(managers.length > 0 && { changedBy: managers.join(', ') }) };
}
