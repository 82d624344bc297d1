/** Decides whether a profile that is being deleted can go: in every namespace, its policies are as it leaves them. */
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { type ClusterState, isWritten } from '../../cluster-state/state.ts';
import { isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import { byName } from '../../util/order.ts';
import { isTransition } from '../../policy/planning/transition.ts';
import { isProfileReference } from '../../policy/semantics/normalize.ts';
import { GATE_ENDING } from '../namespace/report.ts';
import type { Records } from '../records.ts';

export interface ReleaseParts {
  readonly clusterState: ClusterState;
  readonly records: Records;
  readonly policies: Resource<NetworkPolicy>;
}

/** Namespaces with policies that the profile no longer wants there. */
export interface LeftNamespaces {
  /** The operator still has to remove policies, or take the profile off them as their owner. */
  readonly removing: readonly string[];
  /** The namespaces are being deleted, and their policies with them: nothing is written there. */
  readonly terminating: readonly NamespaceItem[];
}

/** The namespaces that a profile concerns, and those that it leaves. */
export interface ProfileNamespaces {
  /** The profile selects them, or has policies there by an earlier revision that is still in force. */
  readonly selected: readonly string[];
  readonly left: LeftNamespaces;
}

/** Looks once at each namespace, as nothing else runs meanwhile. */
export function namespacesOf(profile: SegmentationProfile, clusterState: ClusterState): ProfileNamespaces {
  const selected: string[] = [];
  const left = new Set(stillOwned(profile, clusterState));
  const hasPolicies = clusterState.policiesOf(profile.metadata.name);
  for (const namespace of clusterState.namespaces.values()) {
    const inForce = clusterState.inForce(profile, namespace);
    if (inForce.isAwaited || isWritten(inForce)) selected.push(namespace.key);
    const { relation } = inForce;
    if ((relation === 'none' || relation === 'audit') && hasPolicies(namespace.key)) left.add(namespace.key);
  }
  const removing: string[] = [];
  const terminating: NamespaceItem[] = [];
  for (const each of left) {
    const namespace = clusterState.namespaces.get(each);
    if (namespace?.terminating) terminating.push(namespace);
    else removing.push(each);
  }
  return { selected, left: { removing, terminating: terminating.sort(byName) } };
}

/** If the profile is deleted under Retain: the namespaces with policies that still name it as their owner. */
function stillOwned({ metadata, spec }: SegmentationProfile, clusterState: ClusterState): string[] {
  const { name, uid = '', deletionTimestamp } = metadata;
  if (deletionTimestamp === undefined || spec.deletionPolicy !== 'Retain') return [];
  return clusterState.namespacesWithPoliciesOf(name, (each) =>
    [...clusterState.policies.byNamespace(each)].some(
      (item) => clusterState.ownerOf(item) === name && item.ownerUids.includes(uid),
    ),
  );
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
  const { clusterState, policies, records } = parts;
  if (!records.profile(profile.metadata.name).isReleasable()) return false;
  if (namespacesOf(profile, clusterState).left.removing.length > 0) return false;
  const isRetained = profile.spec.deletionPolicy === 'Retain';
  if (isRetained && (isBeingRead(profile, clusterState) || !isComplete(profile, parts))) return false;
  const labelSelector = `${LABEL_MANAGED_BY}=${MANAGER},${LABEL_PROFILE}=${profile.metadata.name}`;
  const { items } = await policies.listAll({ labelSelector, signal });
  // A namespace that never ends its deletion must not hold up that of the profile.
  const isTerminating = ({ metadata }: NetworkPolicy) =>
    clusterState.namespaces.get(metadata.namespace ?? '')?.terminating === true;
  const remaining = items.filter((policy) => !isTerminating(policy));
  if (!isRetained) return remaining.length === 0;
  // A plan may be half carried out where a namespace waits for an input. Nobody would delete its transition policies. Where
  // policies are held, nobody can complete it: they all stay as they are, and are taken up by a profile of the same name.
  const isHeld = ({ metadata }: NetworkPolicy) => {
    const namespace = clusterState.namespaces.get(metadata.namespace ?? '');
    return namespace !== undefined && clusterState.inForce(profile, namespace).relation === 'held';
  };
  if (remaining.some((policy) => (isTransition(policy) && !isHeld(policy)) || isOwnedBy(profile, policy)))
    return false;
  for (const policy of items.filter((each) => isOwnedBy(profile, each))) await disown(policy, parts, signal);
  return true;
}

/** True until it is known of each namespace which revision it has, and so what is to be removed there. */
function isBeingRead(profile: SegmentationProfile, clusterState: ClusterState): boolean {
  for (const namespace of clusterState.namespaces.values())
    if (clusterState.inForce(profile, namespace).isBeingRead === true) return true;
  return false;
}

function isOwnedBy({ metadata: { uid } }: SegmentationProfile, { metadata }: NetworkPolicy): boolean {
  return metadata.ownerReferences?.some((each) => isProfileReference(each) && each.uid === uid) ?? false;
}

/** Takes the profile off a policy of a terminating namespace, or the garbage collector would delete the policy. */
async function disown(policy: NetworkPolicy, { policies }: ReleaseParts, signal: AbortSignal): Promise<void> {
  const ownerReferences = policy.metadata.ownerReferences?.filter((each) => !isProfileReference(each)) ?? [];
  try {
    await policies.replace({ ...policy, metadata: { ...policy.metadata, ownerReferences } }, { signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/**
 * True if each selected namespace has what the profile asked for last, or can't have it before a person acts. A plan must
 * not stay half carried out when the profile is gone: nobody would complete it, or delete its covers.
 */
function isComplete(profile: SegmentationProfile, { clusterState, records }: ReleaseParts): boolean {
  const { name, generation } = profile.metadata;
  const results = records.resultsOf(name);
  for (const namespace of clusterState.namespaces.values()) {
    if (clusterState.inForce(profile, namespace).relation !== 'enforce') continue;
    const result = results.get(namespace.key);
    if (result === undefined || result.generation !== generation) return false;
    if (result.failure?.kind === 'retry' || result.failure?.reason === GATE_ENDING.reason) return false;
  }
  return true;
}
