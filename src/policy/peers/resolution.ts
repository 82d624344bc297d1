/** What a peer resolves to, shared by the resolvers beside this file. */
import type { NetworkPolicyPeer, NetworkPolicyPort } from '../../api/network-policy.ts';
import type { ClusterFacts, NamespaceFacts } from '../facts.ts';

/** At least one: an empty `from` or `to` would mean everyone (invariant I3). */
export type AtLeastOne<T> = readonly [T, ...T[]];

/** A set of peers, with the ports that the peer itself implies where `impliesPorts` asks for them. */
export interface Grant {
  readonly peers: AtLeastOne<NetworkPolicyPeer> | 'everyone';
  readonly ports?: readonly NetworkPolicyPort[];
}

export type UnresolvedReason =
  | 'NamespaceLabelMissing'
  | 'ServiceNotFound'
  | 'ServiceUnsupported'
  | 'NoEndpoints'
  | 'NoPorts'
  | 'NotConfigured'
  | 'TooManyAddresses'
  | 'SourceUnavailable'
  | 'PodsUnlabelled'
  | 'PodsMislabelled'
  | 'Unsupported'
  | 'NotInstalled'
  | 'NameTaken'
  | 'NotTakenUp'
  | 'NotGuarded';

/** `message` says what is wrong and what to write instead, without naming profile, rule or namespace. */
export interface Unresolved {
  readonly reason: UnresolvedReason;
  readonly message: string;
}

/** `incomplete`: what is granted is right, and there is more that the peer means and that can't be granted. */
export type Resolution =
  | { readonly grants: AtLeastOne<Grant>; readonly incomplete?: Unresolved }
  | Unresolved;

export interface PeerContext {
  /**
   * Whether the ports that a peer serves are the rule's: for a destination, where the rule lists none of its own.
   * Where the peer is the source, its ports say nothing about the destination.
   */
  readonly impliesPorts: boolean;
  readonly namespace: NamespaceFacts;
  readonly cluster: ClusterFacts;
}

export function resolved(...grants: AtLeastOne<Grant>): Resolution {
  return { grants };
}

export function unresolved(reason: UnresolvedReason, message: string): Resolution {
  return { reason, message };
}

/** A resolution that grants all of `grants`, or says `reason` where there is none. */
export function atLeastOne(grants: readonly Grant[], reason: UnresolvedReason, message: string): Resolution {
  return isAtLeastOne(grants) ? { grants } : { reason, message };
}

export function isAtLeastOne<T>(items: readonly T[]): items is AtLeastOne<T> {
  return items.length > 0;
}
