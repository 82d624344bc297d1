/** Policies of engines' own kinds, reduced to what NetworkPolicies can be compared with. Pure. */
import type { Namespace, Pod } from '../../analysis/cluster.ts';
import type { EngineKind } from './engine-kinds.ts';
import type { OutsideBlock } from '../../analysis/model/rules.ts';
import type { Phase, RankTie } from '../../analysis/model/peer-classes.ts';
import type { KubeObject, LabelSelector, StringMap } from '../../api/meta.ts';
import type { IPBlock, NetworkPolicyPort, PolicyType, Protocol } from '../../api/network-policy.ts';
import { matches } from '../../policy/semantics/selector.ts';

/** A pod as engines know it. */
export interface IdentifiedPod extends Pod {
  readonly serviceAccount: string;
  /** True if the pod is still to be created, so that it lacks what is injected into it. */
  readonly fresh?: boolean;
  /** True if the ztunnel of the node carries its connections, by the annotation of istio-cni. */
  readonly isRedirected?: boolean;
}

/** A pod with the labels of its namespace. */
export interface Candidate {
  readonly pod: IdentifiedPod;
  readonly namespaceLabels: StringMap;
}

/** Selects pods by an engine's own language. */
export interface PodMatcher {
  (candidate: Candidate): boolean;
  /** The namespace of all pods that it selects, if it is known: others need not be asked about. */
  readonly namespace?: string | undefined;
}

export type EnginePeer = PodMatcher | IPBlock | OutsideBlock;

/** Every address that is no pod's. */
export const OUTSIDE: readonly OutsideBlock[] = [
  { cidr: '0.0.0.0/0', isOutside: true },
  { cidr: '::/0', isOutside: true },
];

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
  /** The part of the traffic to which the rule is limited beyond peers and ports, such as `requests (toPorts.rules)`. */
  readonly within?: string;
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
  /** The policies whose order among each other is not defined. */
  readonly tie?: RankTie;
}

/** Names a policy. */
export interface PolicyReference {
  /** Unique among all kinds: `CalicoNetworkPolicy` for Calico's NetworkPolicy. */
  readonly kind: string;
  /** Absent for a cluster-scoped object. */
  readonly namespace?: string;
  /** `*` stands for all objects of a kind that could not be read. */
  readonly name: string;
}

/** A rule, or a part of it, that can't be evaluated: subject, peers and ports are at least those that it may match. */
export interface UnclearPart extends EngineRule {
  /** The peers or ports that the part is for, such as `names (toFQDNs)`. */
  readonly what: string;
}

/** Pods that a policy isolates or closes in a direction. */
export interface EngineScope {
  readonly direction: PolicyType;
  readonly subject: PodMatcher;
}

export interface EnginePolicy {
  readonly object: PolicyReference;
  /** True for an object of a namespace that selects pods of other ones too. */
  readonly isOfAnyNamespace?: boolean;
  readonly rules: readonly EngineRule[];
  readonly unclear: readonly UnclearPart[];
  /** The pods that the policy isolates, as a NetworkPolicy does. */
  readonly isolates: readonly EngineScope[];
  /** The pods that the policy isolates or not: nobody can tell. */
  readonly mayIsolate?: readonly (EngineScope & { readonly what: string })[];
  /** The pods whose flows the policy denies unless a rule of another one decides before. */
  readonly closes?: readonly EngineScope[];
  readonly gate?: EngineGate;
  /** The connections that another port carries. */
  readonly tunnels?: readonly EngineTunnel[];
}

/** Between the subject and the peers, TCP connections to some ports arrive on another one, whichever of them opens the connection. */
export interface EngineTunnel {
  readonly subject: PodMatcher;
  readonly peers: PodMatcher;
  /** The ports behind the tunnel. */
  readonly ports: readonly NetworkPolicyPort[];
  /** The port that carries them. */
  readonly by: number;
  /** Absent if it is certain. */
  readonly what?: string;
}

/** Rules that are asked, in their order, about what all others let in: a connection has to pass them too. */
export type EngineGate = Pick<EnginePolicy, 'rules' | 'unclear'>;

/** Addresses that engines know by an identity of their own, if they are known. */
export interface EnginePlaces {
  readonly nodes: readonly string[];
  /** The addresses of its endpoints. */
  readonly apiServer: readonly string[];
}

/** Single addresses outside of the pods. */
export function outsideAddresses(addresses: readonly string[]): OutsideBlock[] {
  return addresses.map((ip) => ({ cidr: `${ip}/${ip.includes(':') ? 128 : 32}`, isOutside: true }));
}

/** The objects that policies of engines are read from. */
export interface EngineObjects<K extends string = EngineKind> {
  readonly objects: (kind: K) => readonly KubeObject[];
  /** False for a kind that could not be read. */
  readonly isRead: (kind: K) => boolean;
  /** The profile that an object is of; undefined for a foreign one. */
  readonly ownerOf: (object: KubeObject) => string | undefined;
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  /** Absent if they are not known: rules for nodes and the API server can't be evaluated then. */
  readonly places?: EnginePlaces | undefined;
  /** The namespaces whose policies are for the whole mesh; Istio's own default if absent. */
  readonly meshRoots?: ReadonlySet<string> | undefined;
}

export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

/** A pod's selector and its namespace's, as the kinds of policy.networking.k8s.io have them. */
export function bySelectors(podSelector: LabelSelector, namespaceSelector: LabelSelector): PodMatcher {
  return ({ pod, namespaceLabels }) =>
    matches(podSelector, pod.labels) && matches(namespaceSelector, namespaceLabels);
}
