/** What the controller tells of its doings as they happen. */
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { Step } from '../policy/planning/plan.ts';
import type { AdmissionReport } from './admission/report.ts';
import type { Key } from './queue/key.ts';
import type { Outcome, QueueObserver } from './queue/key-queue.ts';
import type { NamespaceResult } from './results.ts';

/** For logs and metrics. Must not throw. */
export interface ControllerObserver extends QueueObserver<Key> {
  /** A watch failed and is tried again in `retryInMs`. */
  onWatchError(resource: string, error: unknown, retryInMs: number): void;
  onSynced(resource: string, items: number): void;
  /** A policy was written. `drift`: nothing of the intent had changed, somebody changed or deleted the policy. */
  onWrite(
    step: Step,
    before: NetworkPolicy | undefined,
    after: NetworkPolicy | undefined,
    drift: boolean,
  ): void;
  onReconciling(key: Key): void;
  /** `panic`: it threw, which is a defect; what the API server answers is in the outcome. */
  onReconciled(key: Key, durationMs: number, outcome: Outcome, panic: boolean): void;
  /** Milliseconds from the namespace's event to its policies standing. */
  onEnforced(namespace: string, sinceEventMs: number): void;
  /** What the profile's status says now, whether or not it had to be written. */
  onStatus(
    profile: SegmentationProfile,
    status: ProfileStatus,
    results: ReadonlyMap<string, NamespaceResult>,
    admission: AdmissionReport | undefined,
  ): void;
  onGone(profile: string): void;
  /** Every namespace was reconciled at least once since the last start or resync. */
  onFullSync(): void;
}
