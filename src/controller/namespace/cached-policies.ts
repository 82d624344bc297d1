/** What the cache keeps of a namespace's policies, and what may be decided from it without reading them. No I/O. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { isolatesNoLess } from '../../policy/planning/effect.ts';
import { withFreeNames } from '../../policy/planning/free-names.ts';
import { fingerprint } from '../../policy/semantics/normalize.ts';
import type { Plan } from '../../policy/planning/plan.ts';
import { SharedPolicy } from '../../cluster-state/policies/content-pool.ts';
import type { Intent } from './desired.ts';
import type { PolicyItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';

/**
 * The names that somebody else holds, if what the cache knows is exactly what is wanted: then nothing is read and
 * nothing written (invariant I6). Undefined if anything differs.
 */
export function converged(
  namespace: string,
  intents: readonly Intent[],
  clusterState: ClusterState,
): readonly string[] | undefined {
  const desired = intents.flatMap(({ relation, compiled }) =>
    relation === 'enforce' ? compiled.policies : [],
  );
  const ours = new Map<string, string | undefined>();
  const taken = new Set<string>();
  for (const item of clusterState.policies.byNamespace(namespace)) {
    if (clusterState.ownerOf(item) === undefined) taken.add(item.name);
    else ours.set(item.name, item.fingerprint);
  }
  const { named, conflicts } = withFreeNames(desired, taken);
  const same =
    ours.size === named.length &&
    named.every((policy) => ours.get(policy.metadata.name) === fingerprint(policy));
  return same ? conflicts : undefined;
}

/** The policies as they are kept; undefined where one of them has to be read. */
export function keptPolicies(items: Iterable<PolicyItem>): NetworkPolicy[] | undefined {
  const policies: NetworkPolicy[] = [];
  for (const item of items) {
    if (item.body === undefined) return undefined;
    policies.push(new SharedPolicy(item, item.body));
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
