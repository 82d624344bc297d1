/** Policies that optional capabilities add to those that a profile compiles to in a namespace. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { LastKnown, UnresolvedPeer } from '../../policy/compile.ts';
import type { ExtensionPolicy } from '../../policy/extensions.ts';
import type { ClusterFacts } from '../../policy/facts.ts';

export interface PolicyAdditions {
  /** Called when a reconcile of the namespace begins: another form of a profile may be in force there than before. */
  begin?(namespace: NamespaceItem): void;
  /**
   * The input without which own policies of the namespace would be taken for unwanted; undefined if all is read. Nothing
   * is written in the namespace while an input is missing (I3).
   */
  missing(profiles: readonly SegmentationProfile[], namespace: NamespaceItem): MissingInput | undefined;
  /** The policies for a profile that enforces in the namespace. They carry the profile's labels, and only allow. */
  of(profile: SegmentationProfile, namespace: NamespaceItem, context: AdditionContext): Added;
  /** Called with the peers of an exception that the tunnel of the mesh does not carry, or not yet. */
  tunnelled?(namespace: NamespaceItem, exception: string, unresolved: readonly UnresolvedPeer[]): void;
}

export interface MissingInput {
  /** The plural name of the resource. */
  readonly resource: string;
  /** Undefined while a first read is merely under way: its end enqueues the namespace. */
  readonly error: string | undefined;
}

export interface AdditionContext {
  readonly facts: ClusterFacts;
  readonly lastKnown: LastKnown | undefined;
  /** True if the policies are only looked at, and not written: nothing is remembered of them. */
  readonly isLookedAt?: boolean;
}

export interface Added {
  readonly policies: readonly NetworkPolicy[];
  /** The extensions that the network engine carries beside them. */
  readonly extensions: readonly ExtensionPolicy[];
  /** Peers that are unresolved. They never hold back what the profile isolates. */
  readonly unresolved: readonly UnresolvedPeer[];
  /** When the first of the policies has to end, in milliseconds since the epoch; absent if none ends by the clock. */
  readonly until?: number | undefined;
}

/** Several additions as one. */
export function together(added: readonly Added[]): Added {
  const ends = added.flatMap(({ until }) => until ?? []);
  return {
    policies: added.flatMap(({ policies }) => policies),
    extensions: added.flatMap(({ extensions }) => extensions),
    unresolved: added.flatMap(({ unresolved }) => unresolved),
    ...(ends.length > 0 && { until: Math.min(...ends) }),
  };
}
