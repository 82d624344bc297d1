/** Policies without some of their directions. Pure. */
import { LABEL_ROLE, type Role } from '../api/names.ts';
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import { isolates } from './semantics/normalize.ts';

/** Policies of the directions alone are left out, and a default-deny of both becomes one of the other direction. */
export function withoutDirections(
  policies: readonly NetworkPolicy[],
  directions: readonly PolicyType[],
): NetworkPolicy[] {
  return policies.flatMap((policy) => {
    const policyTypes = isolates(policy.spec).filter((each) => !directions.includes(each));
    if (policyTypes.length === 0) return [];
    // A policy with rules has one direction; the default-deny may have both.
    return policyTypes.length === isolates(policy.spec).length
      ? [policy]
      : [withRole({ ...policy, spec: { ...policy.spec, policyTypes } }, 'partial-deny')];
  });
}

export function withRole({ metadata, ...policy }: NetworkPolicy, role: Role): NetworkPolicy {
  return { ...policy, metadata: { ...metadata, labels: { ...metadata.labels, [LABEL_ROLE]: role } } };
}
