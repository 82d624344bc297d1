/** The checks of the family Boundary: who may talk to whom, and where policies do not hold. */
import type { Check } from '../check.ts';
import { ambiguousShape } from './rules/ambiguous-shape.ts';
import { egressToEverywhere, ingressFromEveryone } from './rules/everyone-allowed.ts';
import {
  calicoPolicyWidens,
  ciliumPolicyWidens,
  clusterNetworkPolicyWidens,
  gkePolicyWidens,
} from './widening/engine-policy-widens.ts';
import { ENGINE_SHAPES } from './engine-policies/shapes.ts';
import { namesTooWide } from './engine-policies/names.ts';
import { exceptionRenewed } from './exception-renewed.ts';
import { foreignPolicyWidens } from './widening/foreign-policy-widens.ts';
import { hostNetwork } from './host-network.ts';
import { ipBlockOfPods } from './rules/ip-block-of-pods.ts';
import { meshPolicyDenies } from './mesh/denies.ts';
import { meshPolicyOpens } from './mesh/opens.ts';
import { meshPolicySelectsNothing } from './mesh/selects-nothing.ts';
import { meshPolicySourceUnknown } from './mesh/sources.ts';
import { tunnelLeadsToEveryPort, tunnelNotOpened } from './mesh/tunnel.ts';
import { metadataReachable } from './metadata-reachable.ts';
import { kindUnread } from './unread-kinds.ts';
import { namespaceWithoutPolicy } from './namespace-without-policy.ts';
import { notEnforced } from './not-enforced.ts';
import { peerMatchesNothing } from './rules/peer-matches-nothing.ts';
import { secondaryNetworks } from './secondary-networks.ts';
import { podsNotIsolatedEgress, podsNotIsolatedIngress } from './pods-not-isolated.ts';
import { portNotDeclared } from './rules/port-not-declared.ts';
import { policySelectsNothing, ruleSelectsNothing } from './selects-nothing.ts';

export const BOUNDARY: readonly Check[] = [
  notEnforced,
  namespaceWithoutPolicy,
  podsNotIsolatedIngress,
  podsNotIsolatedEgress,
  foreignPolicyWidens,
  ciliumPolicyWidens,
  calicoPolicyWidens,
  gkePolicyWidens,
  clusterNetworkPolicyWidens,
  ...ENGINE_SHAPES,
  namesTooWide,
  meshPolicyOpens,
  meshPolicyDenies,
  meshPolicySelectsNothing,
  meshPolicySourceUnknown,
  tunnelLeadsToEveryPort,
  tunnelNotOpened,
  hostNetwork,
  secondaryNetworks,
  policySelectsNothing,
  ruleSelectsNothing,
  peerMatchesNothing,
  ipBlockOfPods,
  ambiguousShape,
  portNotDeclared,
  egressToEverywhere,
  ingressFromEveryone,
  metadataReachable,
  exceptionRenewed,
  kindUnread,
];
