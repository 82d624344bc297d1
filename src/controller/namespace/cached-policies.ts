/** Decisions that need no live reads: the cached policies of a namespace suffice. No I/O. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { isolatesNoLess } from '../../policy/planning/effect.ts';
import { withFreeNames } from '../../policy/planning/free-names.ts';
import { fingerprint } from '../../policy/semantics/normalize.ts';
import type { Plan } from '../../policy/planning/plan.ts';
import { exceptionOf, type PolicyItem } from '../../cluster-state/items.ts';
import { SharedPolicy } from '../../cluster-state/policies/content-pool.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { keptForm } from '../../policy/ownership.ts';
import { type Gathered, hasUnresolvedPeers } from './gather.ts';

export interface Converged {
  readonly kind: 'converged';
  /** Names that foreign policies have taken. */
  readonly conflicts: readonly string[];
}

export type Convergence = { readonly kind: 'differs' } | Converged;

/**
 * Compares the cached policies with the desired ones: where they are equal, nothing is read and nothing written (I6).
 * Unresolved peers differ always: their last known form is read back from live policies.
 */
export function convergenceOf({ namespace, intents }: Gathered, clusterState: ClusterState): Convergence {
  if (hasUnresolvedPeers(intents)) return { kind: 'differs' };
  const desired = intents.flatMap(({ relation, compiled, added }) => {
    if (relation === 'held') return added?.policies ?? [];
    return relation === 'enforce' ? compiled.policies : [];
  });
  const held = new Map(
    intents.flatMap(({ profile, relation }) =>
      relation === 'held' ? [[profile.metadata.name, profile]] : [],
    ),
  );
  const own = new Map<string, string | undefined>();
  const taken = new Set<string>();
  for (const item of clusterState.policies.byNamespace(namespace.key)) {
    const owner = clusterState.ownerOf(item);
    if (owner === undefined) taken.add(item.name);
    else {
      const profile = held.get(owner);
      // A held profile keeps its policies, but its exceptions begin and end.
      if (profile === undefined || exceptionOf(item) !== undefined) own.set(item.name, item.fingerprint);
      else if (isToBeDisowned(item, profile) || lacksLabels(item, profile)) return { kind: 'differs' };
    }
  }
  const { named, conflicts } = withFreeNames(desired, taken);
  const isConverged =
    own.size === named.length &&
    named.every((policy) => own.get(policy.metadata.name) === fingerprint(policy));
  return isConverged ? { kind: 'converged', conflicts } : { kind: 'differs' };
}

/** True if the policy outlives its profile, which is being deleted, and still names it as its owner. */
function isToBeDisowned({ ownerUids }: PolicyItem, { metadata }: SegmentationProfile): boolean {
  return metadata.deletionTimestamp !== undefined && ownerUids.includes(metadata.uid ?? '');
}

/** True if somebody has removed labels of a policy that stays as it is. */
function lacksLabels(item: PolicyItem, profile: SegmentationProfile): boolean {
  if (item.content === undefined) return item.profile !== profile.metadata.name;
  const policy = new SharedPolicy(item, item.content);
  return keptForm(policy, profile) !== policy;
}

/** The policies of a namespace, and whether they come from the cache or were read live. */
export interface Observed {
  readonly policies: readonly NetworkPolicy[];
  readonly isCached: boolean;
}

/**
 * True if a plan made from cached policies is as good as one made from live ones, though the watch may lag for a moment:
 * each write brings one policy to its desired form, isolates no less than before, and is refused if the policy is not
 * the one that was cached. So it can't be wider than the observed or the desired policies, whatever else there is.
 * Openings, deletions and transition policies (which depend on foreign policies) need live reads.
 *
 * @param hasReadPolicies false until this process has read the policies live: a cached one that the process before it deleted
 *   could be taken for what isolates the pods, so that a created one would isolate them alone (I2)
 */
export function isSafeFromCache(
  { steps, opens }: Plan,
  cached: readonly NetworkPolicy[],
  { hasReadPolicies }: { readonly hasReadPolicies: boolean },
): boolean {
  if (opens.length > 0) return false;
  if (!hasReadPolicies && cached.length > 0 && steps.some(({ verb }) => verb === 'create')) return false;
  return steps.every((step) => {
    if (step.verb === 'delete' || step.reason === 'transition') return false;
    if (step.verb === 'create') return true;
    const before = cached.find(({ metadata }) => metadata.name === step.policy.metadata.name);
    return before !== undefined && isolatesNoLess(step.policy.spec, before.spec);
  });
}
