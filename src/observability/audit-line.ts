/** The audit trail of writes: each as a line of the log that says why, by what change, and after whose drift. */
import { changedBy } from '../api/managed-fields.ts';
import { LABEL_PROFILE, LABEL_ROLE, LABEL_RULE } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { PolicyWrite } from '../controller/observer.ts';
import { summarizeChange } from '../policy/planning/change-summary.ts';
import type { Step } from '../policy/planning/plan.ts';

/** What a write has done to an object. */
export const DONE = { create: 'created', update: 'updated', delete: 'deleted' } as const;

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

/** The fields of a write of an object of another kind that takes back a change by others; none for any other write. */
export function revertedFields(managers: readonly string[] | undefined): Record<string, string> {
  if (managers === undefined) return {};
  return { reason: 'drift: changed', ...(managers.length > 0 && { changedBy: managers.join(', ') }) };
}
