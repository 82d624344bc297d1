/** Policies of engines' own kinds, reduced to what NetworkPolicies can be compared with. Pure. */
import type { Namespace, Pod } from '../../analysis/cluster.ts';
import type { Phase } from '../../analysis/model/peer-classes.ts';
import type { KubeObject, LabelSelector, StringMap } from '../../api/meta.ts';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPort,
  PolicyType,
  Protocol,
} from '../../api/network-policy.ts';
import { matches } from '../../policy/semantics/selector.ts';

/** A pod as engines know it. */
export interface IdentifiedPod extends Pod {
  readonly serviceAccount: string;
}

/** A pod with the labels of its namespace. */
export interface Candidate {
  readonly pod: IdentifiedPod;
  readonly namespaceLabels: StringMap;
}

/** Selects pods by an engine's own language. */
export type PodMatcher = (candidate: Candidate) => boolean;

export type EnginePeer = PodMatcher | IPBlock;

export interface EngineRule {
  /** Path in the object, such as `spec.ingress[0]`. */
  readonly field: string;
  readonly direction: PolicyType;
  readonly subject: PodMatcher;
  /** `any`: everyone. */
  readonly peers: readonly EnginePeer[] | 'any';
  /** `any`: every port. */
  readonly ports: readonly NetworkPolicyPort[] | 'any';
  /** Absent for a rule that only adds to those of NetworkPolicies. */
  readonly order?: RuleOrder;
}

/** The action of a rule, and its place in the order. */
export interface RuleOrder {
  readonly phase: Phase;
  /** A rule to pass leaves the decision to the next tier. */
  readonly effect: 'allow' | 'deny' | 'pass';
  /** Rules of a lower tier are asked first. */
  readonly tier: number;
  /** The order of the rules of a tier: the first part counts most. */
  readonly place: readonly (number | string)[];
}

/** Names a policy. */
export interface PolicyReference {
  /** Unique among all kinds: `CalicoNetworkPolicy` for Calico's NetworkPolicy. */
  readonly kind: string;
  /** Absent for a cluster-scoped object. */
  readonly namespace?: string;
  readonly name: string;
}

/** A part of an allowing rule that can't be compared: it may open anything. */
export interface UnclearPart {
  readonly field: string;
  readonly direction: PolicyType;
  readonly subject: PodMatcher;
  /** The peers or ports that the part allows, such as `names (toFQDNs)`. */
  readonly what: string;
}

export interface EnginePolicy {
  readonly object: PolicyReference;
  readonly rules: readonly EngineRule[];
  readonly unclear: readonly UnclearPart[];
  /** The pods that the policy isolates, as a NetworkPolicy does. */
  readonly isolates: readonly { readonly direction: PolicyType; readonly subject: PodMatcher }[];
  /** The pods whose flows the policy denies unless a rule of another one decides before. */
  readonly closes?: readonly { readonly direction: PolicyType; readonly subject: PodMatcher }[];
}

/** The kinds of policies of engines that are read, and those that these policies go by. */
export type EngineKind =
  | 'ClusterNetworkPolicy'
  | 'AdminNetworkPolicy'
  | 'BaselineAdminNetworkPolicy'
  | 'CiliumNetworkPolicy'
  | 'CiliumClusterwideNetworkPolicy'
  | 'CalicoNetworkPolicy'
  | 'GlobalNetworkPolicy'
  | 'Tier'
  | 'NetworkSet'
  | 'GlobalNetworkSet';

/** The objects that policies of engines are read from. */
export interface EngineObjects {
  readonly objects: (kind: EngineKind | 'ServiceAccount') => readonly KubeObject[];
  /** False for a kind that could not be read. */
  readonly isRead: (kind: EngineKind | 'ServiceAccount') => boolean;
  /** The profile that an object is of; undefined for a foreign one. */
  readonly ownerOf: (object: NetworkPolicy) => string | undefined;
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
}

export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

/** A pod's selector and its namespace's, as the kinds of policy.networking.k8s.io have them. */
export function bySelectors(podSelector: LabelSelector, namespaceSelector: LabelSelector): PodMatcher {
  return ({ pod, namespaceLabels }) =>
    matches(podSelector, pod.labels) && matches(namespaceSelector, namespaceLabels);
}
