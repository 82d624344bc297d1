/**
 * The guard of a profile: the outer boundary of its namespaces, which no NetworkPolicy can widen. Here it is engine-neutral; a
 * carrier in src/engines makes it an object. Pure.
 *
 * A guard is never finer than the NetworkPolicies of the profiles: it passes all that they allow, and denies the rest. What it
 * passes is not allowed by it: NetworkPolicies decide. The guard is one for all pods of the profile's namespaces. So it
 * knows neither the podSelector of a rule nor in which of the namespaces the rule stands, and it passes all flows between
 * these namespaces.
 */
import type { LabelSelector } from '../../api/meta.ts';
import type { PolicyType, Protocol } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type { UnresolvedReason } from '../peers/resolution.ts';
import { intersection } from '../semantics/selector.ts';

export interface Guard {
  /** The name of the profile. */
  readonly profile: string;
  /** Selects the namespaces whose pods are guarded, by their labels: one that is labelled later is guarded at once. */
  readonly subject: LabelSelector;
  /** The directions that the profile isolates. */
  readonly directions: readonly GuardDirection[];
  /** Policies in the guarded namespaces that may allow more than is passed. Absent: there are none. */
  readonly held?: readonly HeldPolicies[];
}

/** Policies of a profile with a rollout that are of no known revision: they stay as they are, and what they allow has no form. */
export interface HeldPolicies {
  readonly profile: string;
  readonly namespaces: readonly string[];
}

export interface GuardDirection {
  readonly direction: PolicyType;
  /** All that is passed. The first pass is that of the guarded namespaces themselves. */
  readonly passes: readonly GuardPass[];
  /**
   * Peers without which the passes are too few: the NetworkPolicies may allow more, by last known forms or soon. Until they are
   * resolved, a guard must not deny more than before.
   */
  readonly unresolved: readonly UnresolvedPass[];
  /** The ranges of the pods' addresses, as far as the passes depend on them; undefined: not known. */
  readonly podRanges: readonly string[] | undefined;
}

export interface GuardPass {
  readonly peer: GuardPeer;
  /** Absent: every port. */
  readonly ports?: readonly PortRange[];
  /** The names of rules and connections for which the pass is there. */
  readonly rules: readonly string[];
}

export type GuardPeer =
  | { readonly kind: 'pods'; readonly namespaceSelector: LabelSelector; readonly podSelector: LabelSelector }
  | { readonly kind: 'addresses'; readonly cidr: string; readonly except: readonly string[] }
  | { readonly kind: 'everyone' };

/** A range of destination ports, both ends included. */
export interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
}

export interface UnresolvedPass {
  readonly rule: string;
  readonly peer: string;
  readonly reason: UnresolvedReason;
  readonly message: string;
}

/** The name of the pass between the guarded namespaces. */
export const OWN_NAMESPACES = 'own-namespaces';

/** The namespaces that a profile may select, now or when their labels change. */
export function subjectOf(
  { spec }: SegmentationProfile,
  protectedNamespaces: Iterable<string>,
): LabelSelector {
  const names = [...new Set([...(spec.excludeNamespaces ?? []), ...protectedNamespaces])].sort();
  const others: LabelSelector =
    names.length === 0
      ? {}
      : { matchExpressions: [{ key: LABEL_NAMESPACE_NAME, operator: 'NotIn', values: names }] };
  return intersection(spec.namespaceSelector, others);
}
