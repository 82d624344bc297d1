/**
 * GlobalNetworkPolicy (projectcalico.org/v3), as far as guards are written: policies of the tier `segmentation`, which pass and
 * then deny. A rule that allows has no type here. Pure.
 */
import type { AtLeastOne, CalicoPort, CalicoProtocol } from '../policy.ts';

export const KIND = 'GlobalNetworkPolicy';
/** A GlobalNetworkPolicy that enforces nothing. */
export const STAGED_KIND = 'StagedGlobalNetworkPolicy';

/**
 * The tier of guards, a part of config/engines/calico-guard. It comes before the tiers of other policies, and a flow that it
 * does not decide about goes on to them.
 */
export const TIER = 'segmentation';

export const INSTALLED_TIER = {
  apiVersion: 'projectcalico.org/v3',
  kind: 'Tier',
  metadata: { name: TIER },
  spec: { order: 900, defaultAction: 'Pass' },
};

/** The pods of the selected namespaces. Without it, the policy would be for host endpoints too. */
export const PODS_ONLY = "projectcalico.org/orchestrator == 'k8s'";

export interface PodsEnd {
  readonly namespaceSelector: string;
  readonly selector: string;
}

export interface AddressesEnd {
  readonly nets: AtLeastOne<string>;
  readonly notNets?: AtLeastOne<string>;
}

/** An end without selector and networks is everyone. */
export type GuardEnd = PodsEnd | AddressesEnd | Readonly<Record<string, never>>;

interface PortsEnd {
  readonly ports?: AtLeastOne<CalicoPort>;
}

export interface PassRule {
  readonly action: 'Pass';
  /** Ports need one. Absent: every protocol. */
  readonly protocol?: CalicoProtocol;
  readonly source?: GuardEnd;
  readonly destination?: (GuardEnd & PortsEnd) | PortsEnd;
}

/** The rule that ends each guarded direction. */
export const REST = { action: 'Deny' } as const;

/** The bounds of the schema: of rules in a direction, of networks and ports in a rule, and of the characters of a selector. */
export const MAX_RULES = 1024;
export const MAX_NETS = 256;
export const MAX_PORTS = 50;
export const MAX_SELECTOR = 1024;
