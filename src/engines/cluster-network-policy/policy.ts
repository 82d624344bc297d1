/**
 * ClusterNetworkPolicy (policy.networking.k8s.io), as far as it is written: a policy of the Admin tier that passes and then
 * denies. A rule that accepts, a rule without peers and a peer of two kinds have no type here. Only fields of the standard
 * channel are used. Pure.
 */
import type { KubeObject, LabelSelector } from '../../api/meta.ts';

export type AtLeastOne<T> = readonly [T, ...T[]];

export const GROUP = 'policy.networking.k8s.io';
export const KIND = 'ClusterNetworkPolicy';

export type PodsPeer =
  | { readonly namespaces: LabelSelector }
  | { readonly pods: { readonly namespaceSelector: LabelSelector; readonly podSelector: LabelSelector } };

export type EgressPeer = PodsPeer | { readonly networks: AtLeastOne<string> };

export interface ProtocolPort {
  readonly destinationPort:
    | { readonly number: number }
    | { readonly range: { readonly start: number; readonly end: number } };
}

export type ProtocolMatch =
  | { readonly tcp: ProtocolPort }
  | { readonly udp: ProtocolPort }
  | { readonly sctp: ProtocolPort };

interface RuleOf<Action> {
  readonly name: string;
  readonly action: Action;
  /** Absent: every port of every protocol. */
  readonly protocols?: AtLeastOne<ProtocolMatch>;
}

export type IngressRule = RuleOf<'Pass' | 'Deny'> & { readonly from: AtLeastOne<PodsPeer> };
export type EgressRule = RuleOf<'Pass' | 'Deny'> & { readonly to: AtLeastOne<EgressPeer> };

export interface ClusterNetworkPolicy extends KubeObject {
  readonly spec: {
    readonly tier: 'Admin';
    readonly priority: number;
    readonly subject: { readonly namespaces: LabelSelector };
    readonly ingress?: readonly IngressRule[];
    readonly egress?: readonly EgressRule[];
  };
}

/** The bounds of the schema: of rules in a direction, of peers in a rule, of CIDRs in a peer, and of ports in a rule. */
export const MAX_RULES = 25;
export const MAX_PEERS = 25;
export const MAX_CIDRS = 25;
export const MAX_PORTS = 25;
/** Longest name of a rule, in characters. */
export const MAX_RULE_NAME = 100;
