/** The audit trail of writes: each as a line of the log that says why, by what change, and after whose drift. */
import { LABEL_PROFILE, LABEL_ROLE, LABEL_RULE, MANAGER } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { PolicyWrite } from '../controller/observer.ts';
import { summarizeChange } from '../policy/planning/change-summary.ts';
import type { Step } from '../policy/planning/plan.ts';

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

/**
 * The field managers, other than the operator, of the latest change. The API server dates the entry of a manager by the
 * last change of its fields, in whole seconds: a manager that set a label long ago is not named.
 */
export function changedBy(policy: NetworkPolicy | undefined): string[] {
  const others = (policy?.metadata.managedFields ?? []).filter(({ manager }) => manager !== MANAGER);
  const latest = others.reduce((time, entry) => ((entry.time ?? '') > time ? (entry.time ?? '') : time), '');
  const managers = others.filter(({ time = '' }) => time === latest).map(({ manager }) => manager);
  return [...new Set(managers.filter((manager) => manager !== undefined))];
}
