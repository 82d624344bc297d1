/** Reconciles one profile: its finalizer, its status, and its deletion. */
import type { ProfileStatus, SegmentationProfile } from '../../api/profile.ts';
import type { Clock } from '../../util/clock.ts';
import { replacing } from '../../util/merge-patch.ts';
import { projectProfile } from '../../cluster-state/items.ts';
import { isAborted, isNotFound } from '../../kube/errors.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Admission } from '../admission/reconcile.ts';
import type { WorkloadViolations } from '../workloads/violations.ts';
import type { Capability } from '../capability.ts';
import type { EnforcementProof } from '../enforcement.ts';
import type { PodProbe } from '../namespace/pods.ts';
import type { ControllerObserver } from '../observer.ts';
import type { Outcome } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import { WriteConflicts } from '../write-conflicts.ts';
import { addFinalizer, hasFinalizer, removeFinalizer } from './finalizer.ts';
import { isReleased, namespacesOf, type ProfileNamespaces, type ReleaseParts } from './release.ts';
import { profileStatus, sameStatus } from './status.ts';
import { nextPatienceEnd } from './termination.ts';

export interface ProfileControllerOptions extends ReleaseParts {
  readonly admission: Pick<Admission, 'report' | 'isJudged'>;
  readonly workloads: Pick<WorkloadViolations, 'findings'>;
  readonly capabilities: readonly Capability[];
  /** Absent if nothing tries by packets if policies are enforced. */
  readonly enforcement?: Pick<EnforcementProof, 'verdict'> | undefined;
  readonly pods: Pick<PodProbe, 'prefetch'>;
  readonly clock: Clock;
  readonly profiles: Resource<SegmentationProfile>;
  readonly observer: Pick<ControllerObserver, 'onStatus' | 'onGone'>;
}

/** Milliseconds until a profile that is being deleted is looked at again. */
const RELEASE_INTERVAL_MS = 5_000;

export class ProfileController {
  readonly #options: ProfileControllerOptions;
  readonly #conflicts = new WriteConflicts();

  constructor(options: ProfileControllerOptions) {
    this.#options = options;
  }

  async reconcile(name: string, signal: AbortSignal): Promise<Outcome> {
    const { clusterState, records, clock, observer } = this.#options;
    const profile = clusterState.profile(name);
    if (profile === undefined) {
      records.forgetProfile(name);
      observer.onGone(name);
      return DONE;
    }
    records.profile(name).beginJudging(clock.monotonic());
    try {
      return await (profile.metadata.deletionTimestamp === undefined
        ? this.#reconcileLive(profile, signal)
        : this.#reconcileDeleted(profile, signal));
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      if (isNotFound(error)) return DONE;
      return retry(error);
    }
  }

  async #reconcileLive(profile: SegmentationProfile, signal: AbortSignal): Promise<Outcome> {
    if (!hasFinalizer(profile)) {
      // Its namespaces are reconciled next.
      this.#options.pods.prefetch(signal);
      await this.#following(profile, signal, () => addFinalizer(profile, this.#options, signal));
    }
    return this.#reconcileStatus(profile, signal);
  }

  async #reconcileDeleted(profile: SegmentationProfile, signal: AbortSignal): Promise<Outcome> {
    if (!hasFinalizer(profile)) return DONE;
    const { capabilities, records } = this.#options;
    const hasEnded = capabilities.every((capability) => capability.isReleased(profile));
    const record = records.profile(profile.metadata.name);
    record.isReleasing = true;
    try {
      if (hasEnded && (await isReleased(profile, this.#options, signal))) {
        await this.#following(profile, signal, () => removeFinalizer(profile, this.#options, signal));
        return DONE;
      }
    } finally {
      record.isReleasing = false;
    }
    const outcome = await this.#reconcileStatus(profile, signal);
    // Most waits end with an event. This is for the others: a live list that was behind the watch is not followed by one.
    return outcome.kind === 'again' ? outcome : { kind: 'again', afterMs: RELEASE_INTERVAL_MS };
  }

  async #reconcileStatus({ metadata }: SegmentationProfile, signal: AbortSignal): Promise<Outcome> {
    const { clusterState, clock } = this.#options;
    // As it is now: requests were sent since the reconcile began.
    const profile = clusterState.profile(metadata.name);
    if (profile === undefined) return DONE;
    const began = clock.monotonic();
    const namespaces = namespacesOf(profile, clusterState);
    const status = this.#judgeStatus(profile, namespaces, began);
    if (status !== undefined) await this.#writeStatus(profile, status, signal);
    const afterMs = nextPatienceEnd(namespaces.left.terminating, clock.now());
    return afterMs === undefined ? DONE : { kind: 'again', afterMs };
  }

  /**
   * @param began when the namespaces began to be looked at, in monotonic milliseconds
   * @returns the status to be written; undefined if the stored one says the same, or if it is too early to say
   */
  #judgeStatus(
    profile: SegmentationProfile,
    { selected, left: { removing, terminating } }: ProfileNamespaces,
    began: number,
  ): ProfileStatus | undefined {
    const { records, admission, workloads, capabilities, enforcement, clock, observer } = this.#options;
    const { name, generation } = profile.metadata;
    const record = records.profile(name);
    // After a restart, the stored status of this generation stays until all namespaces were reconciled again (I6).
    const isStored = profile.status?.observedGeneration === generation && !record.hasJudgedStatus;
    const isKnown =
      admission.isJudged &&
      capabilities.every((capability) => capability.isJudged(profile)) &&
      selected.every((namespace) => record.results.has(namespace));
    if (isStored && !isKnown) return undefined;
    record.hasJudgedStatus = true;
    const admissionReport = admission.report(profile);
    const status = profileStatus({
      profile,
      admission: admissionReport,
      workloads: workloads.findings(profile),
      capabilities: capabilities.flatMap((capability) => capability.report(profile) ?? []),
      enforcement: enforcement?.verdict,
      selected,
      results: record.results,
      removing: removing.length,
      terminating,
      now: new Date(clock.now()),
    });
    observer.onStatus(profile, status, record.results, admissionReport);
    const same = sameStatus(profile.status, status);
    record.endJudging(clock.monotonic() - began, status.namespaces?.pending ?? 0);
    return same ? undefined : status;
  }

  async #writeStatus(
    profile: SegmentationProfile,
    status: ProfileStatus,
    signal: AbortSignal,
  ): Promise<void> {
    // The preconditions hold the write to the judged profile: the status of an older one would stay until the next change.
    const body = { metadata: preconditionsOf(profile), status: replacing(profile.status, status) };
    const { profiles, clusterState } = this.#options;
    const { name } = profile.metadata;
    const patched = await this.#following(profile, signal, () =>
      profiles.patch(name, undefined, body, { subresource: 'status', signal }),
    );
    clusterState.profiles.observe(projectProfile(patched));
  }

  /** Sends a write of the profile, which is read live if an event of it is lost. */
  #following<T>(profile: SegmentationProfile, signal: AbortSignal, write: () => Promise<T>): Promise<T> {
    const { profiles, clusterState } = this.#options;
    return this.#conflicts.following(profile, write, async () => {
      const live = await profiles.get(profile.metadata.name, undefined, { signal });
      clusterState.profiles.upsertLive(projectProfile(live));
    });
  }
}
