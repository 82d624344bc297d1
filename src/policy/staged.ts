/** The policies of profiles in Audit, as a network engine may stage them: it reports what they would deny. Pure. */
import type { ObjectMeta } from '../api/meta.ts';
import { API_VERSION, KIND, LABEL_PROFILE } from '../api/names.ts';
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { withoutDirections } from './directions.ts';
import type { ExtensionPolicy } from './extensions.ts';

export interface DesiredStaged {
  /** The policies that profiles in Audit would enforce. */
  readonly policies: readonly NetworkPolicy[];
  /** The extensions beside them. */
  readonly extensions: readonly ExtensionPolicy[];
  /** The directions of profiles that are not staged. */
  readonly leftOut: readonly UnstagedDirection[];
  /** Profiles whose observed staged policies stay as they are. */
  readonly kept: ReadonlySet<string>;
}

/** Staged, the direction would show flows as denied that are meant. */
export interface UnstagedDirection {
  readonly profile: string;
  readonly direction: PolicyType;
  readonly message: string;
}

export const NOTHING_STAGED: DesiredStaged = {
  policies: [],
  extensions: [],
  leftOut: [],
  kept: new Set(),
};

/** The profile owns its staged policies whatever its deletionPolicy is: without the profile they stand for nothing. */
export function asStaged<T extends { readonly metadata: ObjectMeta }>(
  policies: readonly T[],
  { metadata: { name, uid } }: SegmentationProfile,
): T[] {
  if (uid === undefined) return [...policies];
  const owner = {
    apiVersion: API_VERSION,
    kind: KIND,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: false,
  };
  return policies.map((policy) => ({
    ...policy,
    metadata: { ...policy.metadata, ownerReferences: [owner] },
  }));
}

/**
 * Without the directions in which a profile has extensions, as these can't be staged.
 *
 * @param message why they can't
 */
export function withoutExtended(desired: DesiredStaged, message: string): DesiredStaged {
  const extended = new Map<string, Set<PolicyType>>();
  for (const { metadata, direction } of desired.extensions) {
    const profile = metadata.labels?.[LABEL_PROFILE] ?? '';
    extended.set(profile, (extended.get(profile) ?? new Set()).add(direction));
  }
  if (extended.size === 0) return desired;
  const leftOut = [...extended].flatMap(([profile, directions]) =>
    [...directions].map((direction): UnstagedDirection => ({ profile, direction, message })),
  );
  return {
    ...desired,
    policies: desired.policies.flatMap((policy) =>
      withoutDirections([policy], [...(extended.get(policy.metadata.labels?.[LABEL_PROFILE] ?? '') ?? [])]),
    ),
    extensions: [],
    leftOut: [...desired.leftOut, ...leftOut],
  };
}
