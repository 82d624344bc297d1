/** The operator's finalizer on a profile: with it, the deletion of the profile waits until its policies are in order. */
import { FINALIZER } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { projectProfile } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import type { Resource } from '../../kube/resource.ts';

/** True if the profile has the finalizer. Before, none of its policies is written: its deletion would not be ordered. */
export function hasFinalizer({ metadata }: SegmentationProfile): boolean {
  return metadata.finalizers?.includes(FINALIZER) ?? false;
}

interface FinalizerParts {
  readonly profiles: Resource<SegmentationProfile>;
  readonly clusterState: ClusterState;
}

/** @throws ApiError */
export async function addFinalizer(
  profile: SegmentationProfile,
  parts: FinalizerParts,
  signal: AbortSignal,
): Promise<void> {
  const finalizers = [...(profile.metadata.finalizers ?? []), FINALIZER];
  const patched = await patchFinalizers(profile, finalizers, parts, signal);
  // As an event of somebody else, not as an own write: namespaces wait for the finalizer.
  parts.clusterState.profiles.upsertLive(projectProfile(patched));
}

/** @throws ApiError */
export async function removeFinalizer(
  profile: SegmentationProfile,
  parts: FinalizerParts,
  signal: AbortSignal,
): Promise<void> {
  const finalizers = (profile.metadata.finalizers ?? []).filter((each) => each !== FINALIZER);
  await patchFinalizers(profile, finalizers, parts, signal);
}

function patchFinalizers(
  profile: SegmentationProfile,
  finalizers: readonly string[],
  { profiles }: FinalizerParts,
  signal: AbortSignal,
): Promise<SegmentationProfile> {
  const body = { metadata: { ...preconditionsOf(profile), finalizers } };
  return profiles.patch(profile.metadata.name, undefined, body, { signal });
}
