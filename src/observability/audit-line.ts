/** The audit trail of a write: what, why, before and after, and in case of drift whose hand it was. */
import { LABEL_PROFILE, LABEL_ROLE, LABEL_RULE, MANAGER } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import { summarizeChange } from '../policy/planning/change-summary.ts';
import type { Step } from '../policy/planning/plan.ts';

/** The fields of its line in the log; bounded in size. */
export function writeFields(
  step: Step,
  before: NetworkPolicy | undefined,
  after: NetworkPolicy | undefined,
  drift: boolean,
): Record<string, unknown> {
  const wanted = step.verb === 'delete' ? undefined : step.policy;
  const { metadata } = (after ?? before ?? wanted) as NetworkPolicy;
  const hands = isRepair(step, drift) ? changedBy(before) : [];
  return {
    namespace: metadata.namespace,
    policy: metadata.name,
    profile: metadata.labels?.[LABEL_PROFILE],
    role: metadata.labels?.[LABEL_ROLE],
    rule: metadata.labels?.[LABEL_RULE],
    reason: isRepair(step, drift) ? `drift: ${step.reason}` : step.reason,
    ...(hands.length > 0 && { changedBy: hands.join(', ') }),
    ...summarizeChange(before, wanted),
    resourceVersion: after?.metadata.resourceVersion,
  };
}

/** Whether the write puts right what somebody else did: transitions are only the way there. */
export function isRepair(step: Step, drift: boolean): boolean {
  return drift && step.reason !== 'transition';
}

/**
 * The field managers other than ours that changed the policy last. The API server dates an entry when what its manager
 * set changes, in whole seconds: one that only keeps a label of its own since long ago is not blamed.
 */
export function changedBy(policy: NetworkPolicy | undefined): string[] {
  const others = (policy?.metadata.managedFields ?? []).filter(({ manager }) => manager !== MANAGER);
  const latest = others.reduce((time, entry) => ((entry.time ?? '') > time ? (entry.time ?? '') : time), '');
  const hands = others.filter(({ time = '' }) => time === latest).map(({ manager }) => manager);
  return [...new Set(hands.filter((hand) => hand !== undefined))];
}
