/**
 * FQDNNetworkPolicy of GKE Dataplane V2 (networking.gke.io/v1alpha1), as far as it is written: rules with names alone. It
 * isolates the egress of its pods, as a NetworkPolicy does. Pure.
 */
import type { LabelSelector } from '../../api/meta.ts';
import type { AtLeastOne } from '../../policy/peers/resolution.ts';

export interface GKESpec {
  readonly podSelector: LabelSelector;
}

/** In a pattern, `*` is a part of one label; alone in a label, it is any one label. */
export type GKEMatch = { readonly name: string } | { readonly pattern: string };

/** Without `port`, every port of the protocol. */
export interface GKEPort {
  readonly protocol: 'TCP' | 'UDP';
  readonly port?: number;
}

/** Without `ports`, every port of every protocol. */
export interface GKERule {
  readonly matches: AtLeastOne<GKEMatch>;
  readonly ports?: AtLeastOne<GKEPort>;
}
