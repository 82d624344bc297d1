/**
 * CiliumNetworkPolicy (cilium.io/v2), as far as it is written: only shapes that Cilium's agent accepts and that only add. A
 * policy that isolates, a denying rule, a rule without peers or with two kinds of peers, and a rule for names without a DNS
 * rule have no type here. Pure.
 */
import type { LabelSelector } from '../../api/meta.ts';

/** The label of a pod's namespace, in Cilium's view. */
export const POD_NAMESPACE = 'k8s:io.kubernetes.pod.namespace';
/** The label of a pod's service account. Cilium's agent sets it from the pod's spec. */
export const POD_SERVICE_ACCOUNT = 'k8s:io.cilium.k8s.policy.serviceaccount';
/** The prefix of the labels of a pod's namespace. */
export const NAMESPACE_LABELS = 'k8s:io.cilium.k8s.namespace.labels.';

export type AtLeastOne<T> = readonly [T, ...T[]];

export interface CiliumSpec {
  readonly endpointSelector: LabelSelector;
  /** Without it, the first rule of a direction isolates the pods. */
  readonly enableDefaultDeny: { readonly ingress: false; readonly egress: false };
}

export type CiliumEntity = 'kube-apiserver' | 'host' | 'remote-node' | 'ingress';

export interface CiliumPort {
  /** A number or a name; "0" is every port. */
  readonly port: string;
  readonly endPort?: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export type CiliumName = { readonly matchName: string } | { readonly matchPattern: string };

/** At most MAX_PORTS ports in each. */
export interface CiliumPorts {
  readonly ports: AtLeastOne<CiliumPort>;
}

export interface CiliumDNSPorts extends CiliumPorts {
  readonly rules: { readonly dns: AtLeastOne<CiliumName> };
}

export type CiliumIngressRule =
  | { readonly fromEntities: AtLeastOne<CiliumEntity>; readonly toPorts?: AtLeastOne<CiliumPorts> }
  | { readonly fromEndpoints: AtLeastOne<CiliumPods>; readonly toPorts?: AtLeastOne<CiliumPorts> };

/** Pods of one namespace. Without its name, the pods of the policy's own namespace would be meant. */
export type CiliumPods = LabelSelector & {
  readonly matchLabels: Readonly<Record<string, string>> & {
    readonly [POD_NAMESPACE]: string;
  };
};

export type CiliumEgressRule =
  | { readonly toEntities: AtLeastOne<CiliumEntity>; readonly toPorts?: AtLeastOne<CiliumPorts> }
  | { readonly toFQDNs: AtLeastOne<CiliumName>; readonly toPorts?: AtLeastOne<CiliumPorts> }
  | {
      readonly toEndpoints: AtLeastOne<CiliumPods>;
      readonly toPorts?: AtLeastOne<CiliumPorts | CiliumDNSPorts>;
    };

/** The most ports of one entry of `toPorts`. */
export const MAX_PORTS = 40;
