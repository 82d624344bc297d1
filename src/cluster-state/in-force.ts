/** The form of a profile that is in force in a namespace: with a rollout, each namespace may have another revision. Pure. */
import type { SegmentationProfile } from '../api/profile.ts';
import type { NamespaceItem } from './items.ts';
import type { Relation } from './relation.ts';

export interface InForce {
  /** The profile with the intent that is in force. */
  readonly profile: SegmentationProfile;
  readonly relation: Relation;
  /** The number of the revision; undefined if the profile is in force as it is, or none has reached the namespace. */
  readonly revision?: number;
  /** True if the profile selects the namespace, and a rollout has still to bring policies there. */
  readonly isAwaited: boolean;
  /** If the relation is `held`: true while it is only being read which revision the namespace has. */
  readonly isBeingRead?: boolean;
}

/** Knows the revisions of profiles that have a rollout. */
export interface RevisionLookup {
  /** Undefined if the profile is in force as it is. */
  revisionIn(profile: SegmentationProfile, namespace: NamespaceItem): RevisionIn | undefined;
}

export type RevisionIn =
  | { readonly kind: 'revision'; readonly number: number; readonly profile: SegmentationProfile }
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'held';
      /** True while it is only being read which revision the namespace has. */
      readonly isBeingRead?: boolean;
    };
