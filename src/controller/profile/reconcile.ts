/** Reconciles one profile: its finalizer, its status, and the end of its life. */
import type { ProfileStatus, SegmentationProfile } from '../../api/profile.ts';
import { FINALIZER, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Clock } from '../../util/clock.ts';
import { isAborted, isNotFound } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import { isProfileReference } from '../../policy/semantics/normalize.ts';
import { isTransition } from '../../policy/planning/transition.ts';
import type { Admission } from '../admission/reconcile.ts';
import type { AdmissionReport } from '../admission/report.ts';
import { projectProfile } from '../../cluster-state/items.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import type { Outcome } from '../queue/key-queue.ts';
import type { Results } from '../results.ts';
import { profileStatus, sameStatus } from './status.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';

export interface ProfileReconciler {
  readonly clusterState: ClusterState;
  readonly results: Results;
  readonly admission: Pick<Admission, 'report' | 'isJudged'>;
  readonly clock: Clock;
  readonly profiles: Resource<SegmentationProfile>;
  readonly policies: Resource<NetworkPolicy>;
  /** Names of the profiles whose status this process has judged; kept here. */
  readonly reported: Set<string>;
  readonly onStatus: (
    profile: SegmentationProfile,
    status: ProfileStatus,
    admission: AdmissionReport | undefined,
  ) => void;
  /** The profile is gone, or about to be: nothing of it is left. */
  readonly onGone: (profile: string) => void;
  /** How long it took to work out the status, which holds up everything else; milliseconds. */
  readonly onJudged: (durationMs: number) => void;
}

export async function reconcileProfile(
  name: string,
  reconciler: ProfileReconciler,
  signal: AbortSignal,
): Promise<Outcome> {
  const { clusterState, results } = reconciler;
  const profile = clusterState.profile(name);
  if (profile === undefined) {
    results.forgetProfile(name);
    reconciler.reported.delete(name);
    reconciler.onGone(name);
    return DONE;
  }
  try {
    const deleting = profile.metadata.deletionTimestamp !== undefined;
    if (deleting && !hasFinalizer(profile)) return DONE;
    if (deleting && (await isReleased(profile, reconciler, signal))) {
      await setFinalizers(
        profile,
        reconciler,
        (profile.metadata.finalizers ?? []).filter((each) => each !== FINALIZER),
        signal,
      );
      return DONE;
    }
    if (!deleting && !hasFinalizer(profile)) {
      await setFinalizers(profile, reconciler, [...(profile.metadata.finalizers ?? []), FINALIZER], signal);
    }
    await writeStatus(clusterState.profile(name) ?? profile, reconciler, signal);
    return DONE;
  } catch (error) {
    if (isAborted(error)) return givenUp(error, signal);
    if (isNotFound(error)) return DONE;
    return retry(error);
  }
}

/** Namespaces that still hold policies which the profile no longer wants there (under Retain also: that name it as owner). */
export function namespacesToLeave(profile: SegmentationProfile, clusterState: ClusterState): string[] {
  const retain = profile.spec.deletionPolicy === 'Retain';
  const deleting = profile.metadata.deletionTimestamp !== undefined;
  const { name, uid = '' } = profile.metadata;
  return clusterState.namespacesWithPoliciesOf(name, (each) => {
    const namespace = clusterState.namespaces.get(each);
    if (namespace !== undefined && clusterState.relation(profile, namespace) !== 'enforce') return true;
    if (!deleting || !retain) return false;
    return [...clusterState.policies.byNamespace(each)].some(
      (item) => clusterState.ownerOf(item) === name && item.ownerUids.includes(uid),
    );
  });
}

/**
 * Whether each namespace has what the profile asked for last, or can't have it before somebody acts. What is retained
 * must not be half of a plan: nobody would complete it, or take its covers away, once the profile is gone.
 */
function isComplete(profile: SegmentationProfile, { clusterState, results }: ProfileReconciler): boolean {
  const { name, generation } = profile.metadata;
  for (const namespace of clusterState.namespaces.values()) {
    if (clusterState.relation(profile, namespace) !== 'enforce') continue;
    const result = results.of(name).get(namespace.key);
    if (result === undefined || result.generation !== generation) return false;
    if (result.failure?.kind === 'retry') return false;
  }
  return true;
}

/** Whether nothing is left to be done, by the cache and then, as the watch may lag, by a live list. */
async function isReleased(
  profile: SegmentationProfile,
  reconciler: ProfileReconciler,
  signal: AbortSignal,
): Promise<boolean> {
  const { clusterState, policies } = reconciler;
  const { name, uid } = profile.metadata;
  if (namespacesToLeave(profile, clusterState).length > 0) return false;
  const labelSelector = `${LABEL_MANAGED_BY}=${MANAGER},${LABEL_PROFILE}=${name}`;
  if (profile.spec.deletionPolicy !== 'Retain') {
    return (await policies.list({ labelSelector, limit: 1, signal })).items.length === 0;
  }
  if (!isComplete(profile, reconciler)) return false;
  const { items } = await policies.listAll({ labelSelector, signal });
  return !items.some(
    (policy) =>
      // Where a namespace waits for something, half a plan may be carried out all the same. Nobody would take it away.
      isTransition(policy) ||
      policy.metadata.ownerReferences?.some(
        (reference) => isProfileReference(reference) && reference.uid === uid,
      ),
  );
}

async function setFinalizers(
  profile: SegmentationProfile,
  { profiles, clusterState }: ProfileReconciler,
  finalizers: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const body = { metadata: { ...preconditionsOf(profile), finalizers } };
  const patched = await profiles.patch(profile.metadata.name, undefined, body, { signal });
  // Upserted as news, not as our own write: namespaces wait for the finalizer.
  if (finalizers.includes(FINALIZER)) clusterState.profiles.upsert(projectProfile(patched));
}

async function writeStatus(
  profile: SegmentationProfile,
  { clusterState, results, admission, clock, profiles, reported, onStatus, onJudged }: ProfileReconciler,
  signal: AbortSignal,
): Promise<void> {
  const { name, generation } = profile.metadata;
  const began = clock.monotonic();
  const matched: string[] = [];
  for (const namespace of clusterState.namespaces.values())
    if (clusterState.selects(profile, namespace)) matched.push(namespace.key);
  // After a restart, what the last process reported of this generation stands until all was looked at again (I6).
  const standing = profile.status?.observedGeneration === generation && !reported.has(name);
  const known = results.of(name);
  if (standing && !(admission.isJudged && matched.every((namespace) => known.has(namespace)))) return;
  reported.add(name);
  const admissionReport = admission.report(profile);
  const status = profileStatus({
    profile,
    admission: admissionReport,
    matched,
    results: known,
    removing: namespacesToLeave(profile, clusterState).length,
    now: new Date(clock.now()),
  });
  onStatus(profile, status, admissionReport);
  const same = sameStatus(profile.status, status);
  onJudged(clock.monotonic() - began);
  if (same) return;
  // A merge patch leaves out what it does not name: a list that is gone has to be named.
  // And it must be of the profile as it was judged: a status of an older one would stand until the next change.
  const body = {
    metadata: preconditionsOf(profile),
    status: {
      ...status,
      admission: status.admission ? { policies: null, ...status.admission } : null,
      failures: status.failures ?? null,
    },
  };
  const patched = await profiles.patch(name, undefined, body, { subresource: 'status', signal });
  clusterState.profiles.observe(projectProfile(patched));
}

/** Whether our finalizer is on the profile. Before it is, nothing is enforced: deletion would not be ordered. */
export function hasFinalizer({ metadata }: SegmentationProfile): boolean {
  return metadata.finalizers?.includes(FINALIZER) ?? false;
}
