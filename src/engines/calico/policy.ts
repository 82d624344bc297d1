/**
 * NetworkPolicy (projectcalico.org/v3), as far as it is written: only rules that allow, in the tier `default` with the order of
 * NetworkPolicies of Kubernetes, to which they add up. Like these, it isolates its pods. A denying or passing rule, and a rule
 * without peers, have no type here. Pure.
 */

export type AtLeastOne<T> = readonly [T, ...T[]];

export interface CalicoSpec {
  readonly tier: 'default';
  readonly order: 1000;
  readonly selector: string;
  /** Written out, as an absent list means Ingress. */
  readonly types: readonly ['Ingress'] | readonly ['Egress'];
}

/** A number, a range such as `8000:8100`, or the name of a port. */
export type CalicoPort = number | string;

/** The pods of these service accounts in the namespaces. */
export interface CalicoAccounts {
  readonly serviceAccounts: { readonly names: AtLeastOne<string> };
  /** Without it, the accounts of the policy's own namespace would be meant. */
  readonly namespaceSelector: string;
}

/** Ports need a protocol. */
export interface CalicoPorts {
  readonly ports: AtLeastOne<CalicoPort>;
}

export type CalicoIngressRule =
  | { readonly action: 'Allow'; readonly source: CalicoAccounts }
  | {
      readonly action: 'Allow';
      readonly protocol: CalicoProtocol;
      readonly source: CalicoAccounts;
      readonly destination?: CalicoPorts;
    };

export type CalicoEgressRule =
  | { readonly action: 'Allow'; readonly destination: CalicoAccounts }
  | {
      readonly action: 'Allow';
      readonly protocol: CalicoProtocol;
      readonly destination: CalicoAccounts & Partial<CalicoPorts>;
    };

export type CalicoProtocol = 'TCP' | 'UDP' | 'SCTP';
