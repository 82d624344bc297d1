/** networking.k8s.io/v1 NetworkPolicy as it is on the wire. */
import type { KubeObject, LabelSelector } from './meta.ts';

export type PolicyType = 'Ingress' | 'Egress';

/** Both directions, in the order in which policies list them. */
export const DIRECTIONS: readonly PolicyType[] = ['Ingress', 'Egress'];

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

export interface IPBlock {
  readonly cidr: string;
  readonly except?: readonly string[];
}

/** Either `ipBlock`, or one or both selectors. */
export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: IPBlock;
}

export interface NetworkPolicyPort {
  readonly protocol?: Protocol;
  /** A number, or the name of a container port. Absent: every port of the protocol. */
  readonly port?: number | string;
  /** Only with a numeric port. */
  readonly endPort?: number;
}

/** An absent or empty `from` means everyone; an absent or empty `ports` means every port. */
export interface NetworkPolicyIngressRule {
  readonly from?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
}

/** An absent or empty `to` means everyone; an absent or empty `ports` means every port. */
export interface NetworkPolicyEgressRule {
  readonly to?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
}

export interface NetworkPolicySpec {
  readonly podSelector?: LabelSelector;
  readonly policyTypes?: readonly PolicyType[];
  readonly ingress?: readonly NetworkPolicyIngressRule[];
  readonly egress?: readonly NetworkPolicyEgressRule[];
}

export interface NetworkPolicy extends KubeObject {
  readonly spec: NetworkPolicySpec;
}
