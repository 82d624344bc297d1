/**
 * CiliumNetworkPolicy (cilium.io/v2), as far as it is written: only shapes that Cilium's agent accepts and that only add. A
 * policy that isolates, a denying rule, a rule without peers or with two kinds of peers, and a rule for names without a DNS
 * rule have no type here. Pure.
 */
import type { LabelSelector } from '../../api/meta.ts';

export type AtLeastOne<T> = readonly [T, ...T[]];

export interface CiliumSpec {
  readonly endpointSelector: LabelSelector;
  /** Without it, the first rule of a direction isolates the pods. */
  readonly enableDefaultDeny: { readonly ingress: false; readonly egress: false };
}

export type CiliumEntity = 'kube-apiserver' | 'host' | 'remote-node';

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

export type CiliumIngressRule = {
  readonly fromEntities: AtLeastOne<CiliumEntity>;
  readonly toPorts?: AtLeastOne<CiliumPorts>;
};

export type CiliumEgressRule =
  | { readonly toEntities: AtLeastOne<CiliumEntity>; readonly toPorts?: AtLeastOne<CiliumPorts> }
  | { readonly toFQDNs: AtLeastOne<CiliumName>; readonly toPorts?: AtLeastOne<CiliumPorts> }
  | { readonly toEndpoints: AtLeastOne<LabelSelector>; readonly toPorts: AtLeastOne<CiliumDNSPorts> };

/** The most ports of one entry of `toPorts`. */
export const MAX_PORTS = 40;
