/** Hooks by which the controller reports its work as it happens. They must not throw. */
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { Step } from '../policy/planning/plan.ts';
import type { AdmissionReport } from './admission/report.ts';
import type { Key } from './queue/key.ts';
import type { Outcome, QueueObserver } from './queue/key-queue.ts';
import type { NamespaceResult } from './results.ts';

/** A write of a policy, with the object before and after it; undefined if there is none. */
export interface PolicyWrite {
  readonly step: Step;
  readonly before: NetworkPolicy | undefined;
  readonly after: NetworkPolicy | undefined;
  /** True if drift is the only cause: somebody changed or deleted a policy, and the intent is what it was. */
  readonly isDriftOnly: boolean;
}

export interface ReconcileEnd {
  readonly durationMs: number;
  readonly outcome: Outcome;
  /** True if the reconcile threw, which is a defect. Refusals of the API server are in the outcome. */
  readonly panicked: boolean;
}

export interface ControllerObserver extends QueueObserver<Key> {
  /** A watch failed and is tried again in `retryInMs`. */
  onWatchError(resource: string, error: unknown, retryInMs: number): void;
  onSynced(resource: string, items: number): void;
  onWrite(write: PolicyWrite): void;
  onReconciling(key: Key): void;
  onReconciled(key: Key, end: ReconcileEnd): void;
  /** All policies of a namespace are in place, `sinceEventMs` after the event that asked for them. */
  onEnforced(namespace: string, sinceEventMs: number): void;
  /** The status of a profile was judged, whether or not it had to be written. */
  onStatus(
    profile: SegmentationProfile,
    status: ProfileStatus,
    results: ReadonlyMap<string, NamespaceResult>,
    admission: AdmissionReport | undefined,
  ): void;
  onGone(profile: string): void;
  /** Every namespace was reconciled at least once since the start or the last resync. */
  onFullSync(): void;
}
