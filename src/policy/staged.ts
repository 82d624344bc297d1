/** The policies of a profile in Audit, as a network engine may stage them: it reports what they would deny. Pure. */
import { API_VERSION, KIND } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';

/** The profile owns its staged policies whatever its deletionPolicy is: without the profile they stand for nothing. */
export function asStaged(
  policies: readonly NetworkPolicy[],
  { metadata: { name, uid } }: SegmentationProfile,
): NetworkPolicy[] {
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
