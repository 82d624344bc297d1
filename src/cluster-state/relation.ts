/** The relation of a profile to a namespace. Pure. */
import type { StringMap } from '../api/meta.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { matches } from '../policy/semantics/selector.ts';

export type Relation =
  /** The profile's policies are desired in the namespace. */
  | 'enforce'
  /** They are compiled and reported only. */
  | 'audit'
  /** The profile's policies stay as they are: the rollout has not reached the namespace, and what it had is not recorded. */
  | 'held'
  /** The profile does not select the namespace, or no longer wants policies. */
  | 'none';

export interface SelectableNamespace {
  readonly name: string;
  readonly labels: StringMap;
  readonly terminating: boolean;
}

/**
 * True if the profile selects the namespace.
 *
 * @param protectedNamespaces never selected, whatever the profile says
 */
export function selects(
  { spec }: SegmentationProfile,
  { name, labels, terminating }: SelectableNamespace,
  protectedNamespaces: ReadonlySet<string>,
): boolean {
  return (
    !terminating &&
    !protectedNamespaces.has(name) &&
    spec.excludeNamespaces?.includes(name) !== true &&
    matches(spec.namespaceSelector, labels)
  );
}

export function relationOf(
  profile: SegmentationProfile,
  namespace: SelectableNamespace,
  protectedNamespaces: ReadonlySet<string>,
): Relation {
  const { metadata, spec } = profile;
  if (!selects(profile, namespace, protectedNamespaces)) return 'none';
  // A profile that is deleted under Retain still wants its policies, without itself as their owner.
  if (metadata.deletionTimestamp !== undefined && spec.deletionPolicy !== 'Retain') return 'none';
  return spec.mode === 'Audit' ? 'audit' : 'enforce';
}
