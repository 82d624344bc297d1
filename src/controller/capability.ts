/**
 * An optional capability of profiles. Each is a room of its own, which the composition root adds: the controller knows only
 * this interface. A capability that no profile asks for sends no request.
 */
import type { Condition } from '../api/meta.ts';
import type { ControllerObserver } from './observer.ts';
import type { ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { EngineSupport } from './engine-support.ts';
import type { MeshSupport } from './mesh-support.ts';
import type { GuardSupport } from './guard-support.ts';
import type { ClusterFacts } from '../policy/facts.ts';
import type { PolicyAdditions } from './namespace/additions.ts';

export interface Capability {
  /** Told of the controller's activity. */
  readonly observer?: Partial<ControllerObserver>;
  /** Policies of the network engine beside the NetworkPolicies, if the capability writes them. */
  readonly engine?: EngineSupport;
  /** The service mesh, if the capability knows it. */
  readonly mesh?: MeshSupport;
  /** Policies for all namespaces of a profile at once, if the capability writes them. */
  readonly guard?: GuardSupport;
  /**
   * Begins to work. Called once the caches are complete, and only on the replica that leads.
   *
   * @param onReport called with the name of a profile whose report or release may have changed
   * @param onIntent called with the name of a namespace for which the intent of a profile has changed
   * @param onAdditions called with the name of a namespace whose additions have changed
   * @param facts what is known of the cluster; asking does not begin a watch
   */
  lead(
    onReport: (profile: string) => void,
    onIntent: (namespace: string) => void,
    onAdditions: (namespace: string) => void,
    facts: ClusterFacts,
  ): void;
  /** Begins no more work, aborts what is under way, and resolves when it has ended. */
  stop(): Promise<void>;
  /**
   * True if the report is complete. Until then, a profile keeps the status that the process before this one wrote (I6).
   */
  isJudged(profile: SegmentationProfile): boolean;
  /** The report for the profile's status; undefined if the profile does not ask for the capability. */
  report(profile: SegmentationProfile): CapabilityReport | undefined;
  /** True if the profile, which is being deleted, leaves nothing behind, or nothing that can be removed. */
  isReleased(profile: SegmentationProfile): boolean;
  /** Policies that the capability adds to those of profiles. */
  readonly additions?: PolicyAdditions;
}

export interface CapabilityReport {
  /**
   * Its type ends in `Ready`, unless the report is for information only. The profile is Ready only if it is True; the reason
   * Progressing says that work is under way.
   */
  readonly condition: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;
  /** True if the condition is about more than the profile asks for: then Ready does not depend on it. */
  readonly isInformation?: boolean;
  /** True if a person must act. */
  readonly isStalled: boolean;
  /** The capability's own part of the status. */
  readonly status?: Pick<ProfileStatus, 'guard' | 'imageVerification' | 'podSecurity' | 'rollout'>;
}
