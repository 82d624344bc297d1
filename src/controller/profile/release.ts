/** Decides whether a profile that is being deleted can go: in every namespace, its policies are as it leaves them. */
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { Resource } from '../../kube/resource.ts';
import { isTransition } from '../../policy/planning/transition.ts';
import { isProfileReference } from '../../policy/semantics/normalize.ts';
import type { Records } from '../records.ts';

export interface ReleaseParts {
  readonly clusterState: ClusterState;
  readonly records: Records;
  readonly policies: Resource<NetworkPolicy>;
}

/**
 * Namespaces with policies that the profile no longer wants there; of one that is deleted under Retain, also namespaces
 * with policies that still name it as their owner.
 */
export function namespacesToLeave(profile: SegmentationProfile, clusterState: ClusterState): string[] {
  const retain = profile.spec.deletionPolicy === 'Retain';
  const isDeleted = profile.metadata.deletionTimestamp !== undefined;
  const { name, uid = '' } = profile.metadata;
  return clusterState.namespacesWithPoliciesOf(name, (each) => {
    const namespace = clusterState.namespaces.get(each);
    if (namespace !== undefined && clusterState.relation(profile, namespace) !== 'enforce') return true;
    if (!isDeleted || !retain) return false;
    return [...clusterState.policies.byNamespace(each)].some(
      (item) => clusterState.ownerOf(item) === name && item.ownerUids.includes(uid),
    );
  });
}

/**
 * True if nothing is left to be done, by the caches and then, as watches may lag, by a live list.
 *
 * @throws ApiError
 */
export async function isReleased(
  profile: SegmentationProfile,
  parts: ReleaseParts,
  signal: AbortSignal,
): Promise<boolean> {
  const { clusterState, policies } = parts;
  const { name, uid } = profile.metadata;
  if (namespacesToLeave(profile, clusterState).length > 0) return false;
  const labelSelector = `${LABEL_MANAGED_BY}=${MANAGER},${LABEL_PROFILE}=${name}`;
  if (profile.spec.deletionPolicy !== 'Retain') {
    return (await policies.list({ labelSelector, limit: 1, signal })).items.length === 0;
  }
  if (!isComplete(profile, parts)) return false;
  const { items } = await policies.listAll({ labelSelector, signal });
  return !items.some(
    (policy) =>
      // A plan may be half carried out where a namespace waits for an input. Nobody would delete its transition policies.
      isTransition(policy) ||
      policy.metadata.ownerReferences?.some(
        (reference) => isProfileReference(reference) && reference.uid === uid,
      ),
  );
}

/**
 * True if each selected namespace has what the profile asked for last, or can't have it before a person acts. A plan must
 * not stay half carried out when the profile is gone: nobody would complete it, or delete its covers.
 */
function isComplete(profile: SegmentationProfile, { clusterState, records }: ReleaseParts): boolean {
  const { name, generation } = profile.metadata;
  const results = records.resultsOf(name);
  for (const namespace of clusterState.namespaces.values()) {
    if (clusterState.relation(profile, namespace) !== 'enforce') continue;
    const result = results.get(namespace.key);
    if (result === undefined || result.generation !== generation) return false;
    if (result.failure?.kind === 'retry') return false;
  }
  return true;
}
