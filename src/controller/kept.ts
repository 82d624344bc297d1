/** What the cache keeps of a namespace's policies, and which plans may be made from it without reading them. Pure. */
import type { NetworkPolicy } from '../api/network-policy.ts';
import { isolatesNoLess, type Plan } from '../policy/plan.ts';
import { policyOf } from './bodies.ts';
import type { PolicyItem } from './observed.ts';

/** The policies as they are kept; undefined where one of them has to be read. */
export function keptPolicies(items: Iterable<PolicyItem>): NetworkPolicy[] | undefined {
  const policies: NetworkPolicy[] = [];
  for (const item of items) {
    if (item.body === undefined) return undefined;
    policies.push(policyOf(item, item.body));
  }
  return policies;
}

/**
 * Whether a plan is as good as one that is made from live objects, though the watch may be behind for a moment: each
 * write brings one object to the form that is wanted, isolates no less than before, and is refused where the object is
 * not the one that was seen. So it can't be wider than what stands or is wanted, whatever else there is. What opens, what
 * deletes, and what goes through short-lived objects (which depend on other people's policies) is read before.
 */
export function needsNoReading({ steps, opens }: Plan, kept: readonly NetworkPolicy[]): boolean {
  if (opens.length > 0) return false;
  return steps.every((step) => {
    if (step.verb === 'delete' || step.reason === 'transition') return false;
    if (step.verb === 'create') return true;
    const before = kept.find(({ metadata }) => metadata.name === step.policy.metadata.name);
    return before !== undefined && isolatesNoLess(step.policy.spec, before.spec);
  });
}
