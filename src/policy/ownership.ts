/** The owners of own objects, also where somebody has removed their labels. Pure. */
import type { KubeObject, ObjectMeta } from '../api/meta.ts';
import {
  LABEL_EXCEPTION,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  MANAGER,
  policyName,
} from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { isExceptionReference, isolates, isOwnReference, isProfileReference } from './semantics/normalize.ts';

/** True if an object is marked as the operator's own, by its label or by its owner: somebody may have removed one of them. */
export function isMarked({ metadata: { labels, ownerReferences } }: Pick<KubeObject, 'metadata'>): boolean {
  return labels?.[LABEL_MANAGED_BY] === MANAGER || ownerReferences?.some(isOwnReference) === true;
}

/** The exception that an own object was written for: by its label or, without the label, by its owner; undefined if for none. */
export function exceptionNameOf({
  labels,
  ownerReferences,
}: Pick<ObjectMeta, 'labels' | 'ownerReferences'>): string | undefined {
  return labels?.[LABEL_EXCEPTION] ?? ownerReferences?.find(isExceptionReference)?.name;
}

/** The profile that an own object was written for: by its labels or, without them, by its owner; undefined if for none. */
export function profileNameOf({
  labels,
  ownerReferences,
}: Pick<ObjectMeta, 'labels' | 'ownerReferences'>): string | undefined {
  const named = labels?.[LABEL_MANAGED_BY] === MANAGER ? labels[LABEL_PROFILE] : undefined;
  return named ?? ownerReferences?.find(isProfileReference)?.name;
}

/**
 * The object with the labels that name its profile and its exception, where somebody has changed or removed them. An object that
 * has them, or is foreign, is returned as it is.
 *
 * @param profile the profile that owns the object; undefined for a foreign object
 */
export function withOwnerLabels<T extends KubeObject>(object: T, profile: string | undefined): T {
  if (profile === undefined) return object;
  const { labels } = object.metadata;
  const exception = exceptionNameOf(object.metadata);
  const owners = {
    [LABEL_MANAGED_BY]: MANAGER,
    [LABEL_PROFILE]: profile,
    ...(exception !== undefined && { [LABEL_EXCEPTION]: exception }),
  };
  if (Object.entries(owners).every(([key, value]) => labels?.[key] === value)) return object;
  return { ...object, metadata: { ...object.metadata, labels: { ...labels, ...owners } } };
}

/**
 * An observed policy that stays as it is, with the labels that tell whose it is; after a restart, nothing else may. Without its
 * role, no admission gate would take the default-deny for one. A policy that has its labels is returned as it is.
 */
export function keptForm(
  policy: NetworkPolicy,
  { metadata: { name }, spec }: SegmentationProfile,
): NetworkPolicy {
  const kept = withOwnerLabels(policy, name);
  const { labels } = kept.metadata;
  if (labels?.[LABEL_ROLE] !== undefined || kept.metadata.name !== policyName(name, 'default-deny'))
    return kept;
  const isWhole = spec.isolation.every((direction) => isolates(policy.spec).includes(direction));
  const role = isWhole ? 'default-deny' : 'partial-deny';
  return { ...kept, metadata: { ...kept.metadata, labels: { ...labels, [LABEL_ROLE]: role } } };
}

/** The object that a profile leaves behind: its labels alone name the profile, and the fence refuses one without them. */
export function disowned<T extends KubeObject>(object: T, profile: string): T {
  const ownerReferences = object.metadata.ownerReferences?.filter((each) => !isProfileReference(each)) ?? [];
  return withOwnerLabels({ ...object, metadata: { ...object.metadata, ownerReferences } }, profile);
}
