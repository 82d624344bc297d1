/** The result of resolving a peer, shared by the resolvers beside this file. Pure. */
import type { NetworkPolicyPeer, NetworkPolicyPort } from '../../api/network-policy.ts';
import type { ExtensionGrant } from '../extensions.ts';
import type { ClusterFacts, NamespaceFacts } from '../facts.ts';

/** An empty `from` or `to` would mean everyone (invariant I3), so an empty list has no such type. */
export type AtLeastOne<T> = readonly [T, ...T[]];

/** Peers that a flow may come from or go to; `ports` are those that the peer implies, where `impliesPorts` asks for them. */
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
  | 'NotGuarded'
  | 'NoEngine'
  | 'NoMesh'
  | 'MeshUnavailable'
  | 'NotAccepted'
  | 'SchemaTooOld';

/** `message` says what is wrong and what to write instead, without naming profile, rule or namespace. */
export interface Unresolved {
  readonly reason: UnresolvedReason;
  readonly message: string;
}

/**
 * `partly-resolved`: the grants are right, but the peer means more than them, and `missing` says what.
 * `extended`: NetworkPolicy can't express the peer, and extensions alone carry it.
 * `unresolved`: the last known form of the peer stays in force, beside its parts that are known.
 */
export type Resolution =
  | {
      readonly kind: 'resolved';
      readonly grants: AtLeastOne<Grant>;
      /** The peers that the engine carries beside the grants. */
      readonly extensions?: readonly ExtensionGrant[];
    }
  | { readonly kind: 'extended'; readonly extensions: AtLeastOne<ExtensionGrant> }
  | {
      readonly kind: 'partly-resolved';
      readonly grants: AtLeastOne<Grant>;
      readonly missing: Unresolved;
      readonly extensions?: readonly ExtensionGrant[];
    }
  | ({
      readonly kind: 'unresolved';
      /** Parts of the peer that are resolved all the same. */
      readonly known?: readonly Grant[];
      /** Takes the place of a last known form if there is none; `message` is added to that of the peer. */
      readonly fallback?: { readonly grants: AtLeastOne<Grant>; readonly message: string };
      /** The peers that the engine carries all the same. */
      readonly extensions?: readonly ExtensionGrant[];
    } & Unresolved);

export interface PeerContext {
  /**
   * True if the ports that a peer serves are the rule's: for a destination, where the rule lists no ports of its own.
   * The ports of a source say nothing about the destination.
   */
  readonly impliesPorts: boolean;
  readonly namespace: NamespaceFacts;
  readonly cluster: ClusterFacts;
}

export function resolved(...grants: AtLeastOne<Grant>): Resolution {
  return { kind: 'resolved', grants };
}

export function partlyResolved(grants: AtLeastOne<Grant>, missing: Unresolved): Resolution {
  return { kind: 'partly-resolved', grants, missing };
}

export function unresolved(reason: UnresolvedReason, message: string): Resolution {
  return { kind: 'unresolved', reason, message };
}

/** Resolved to all of `grants`; unresolved, with `reason` and `message`, if there are none. */
export function resolvedIfAny(
  grants: readonly Grant[],
  reason: UnresolvedReason,
  message: string,
): Resolution {
  return isAtLeastOne(grants) ? resolved(...grants) : unresolved(reason, message);
}

export function isAtLeastOne<T>(items: readonly T[]): items is AtLeastOne<T> {
  return items.length > 0;
}
