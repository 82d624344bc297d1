/**
 * Policies of network engines' own kinds, and of a mesh, as the evaluation knows them: layers before, among, after and beside
 * NetworkPolicies. Each of their rules is a NetworkPolicy of one rule here, a *stand-in*, with a role. The folders of the
 * engines make the stand-ins; nothing of one engine is known here. Pure.
 */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Pod } from '../cluster.ts';
import type { Rank } from '../model/peer-classes.ts';

/** Names an object of any kind. */
export interface LayerObject {
  readonly kind: string;
  /** Absent for a cluster-scoped object. */
  readonly namespace?: string;
  /** `*` stands for all objects of a kind that could not be read. */
  readonly name: string;
}

/** The rule that a stand-in stands for. */
export interface LayerRule {
  readonly object: LayerObject;
  /** Path in the object, such as `spec.ingress[0]`; empty for the object as a whole. */
  readonly field: string;
  /** The part of the rule that can't be evaluated, such as `names (toFQDNs)`; absent if all of it can. */
  readonly unknown?: string;
}

/**
 * When and how a stand-in counts.
 * - `isolates`: it isolates its pods as a NetworkPolicy does, and has no rule
 * - `adds`: its rule counts as one of a NetworkPolicy, and isolates nothing
 * - `ranked`: its rule is asked before or after NetworkPolicies, in an order
 * - `gate`: its rule is asked, in an order, about what all others let in to its pods: both have to allow a flow
 * - `tunnel`: flows that its first rule matches arrive on another port, which its second rule names. All but the gate are asked about that
 *   port
 */
export type StandInRole = { readonly rule: LayerRule } & (
  | { readonly kind: 'isolates' }
  | { readonly kind: 'adds' }
  | { readonly kind: 'ranked'; readonly rank: Rank }
  | { readonly kind: 'gate'; readonly rank: number; readonly effect: 'allow' | 'deny' }
  | { readonly kind: 'tunnel'; readonly port: number }
);

export interface LayeredView {
  readonly standIns: readonly NetworkPolicy[];
  /** The role of each stand-in. */
  readonly roles: ReadonlyMap<NetworkPolicy, StandInRole>;
  /** The pod with the labels by which stand-ins select it; pods that the view does not list have them too. */
  readonly podOf: (pod: Pod) => Pod;
  /** False if an `ipBlock` matches no pod, as with Cilium. */
  readonly podsInIPBlocks: boolean;
}

/** True for a rule that allows what matches it. */
export function isAllowing(role: StandInRole): boolean {
  switch (role.kind) {
    case 'adds':
      return true;
    case 'ranked':
      return role.rank.effect === 'allow';
    case 'gate':
      return role.effect === 'allow';
    case 'isolates':
    case 'tunnel':
      return false;
  }
}

/** True if nobody can tell if the rule matches a flow that its stand-in matches. */
export function isUncertain({ rule }: StandInRole): boolean {
  return rule.unknown !== undefined;
}
