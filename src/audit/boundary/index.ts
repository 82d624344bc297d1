/** The checks of the family Boundary: who may talk to whom, and where policies do not hold. */
import type { Check } from '../check.ts';
import { ambiguousShape } from './ambiguous-shape.ts';
import { egressToEverywhere, ingressFromEveryone } from './everyone-allowed.ts';
import {
  calicoPolicyWidens,
  ciliumPolicyWidens,
  clusterNetworkPolicyWidens,
} from './engine-policy-widens.ts';
import { ENGINE_SHAPES } from './engine-shapes.ts';
import { foreignPolicyWidens } from './foreign-policy-widens.ts';
import { hostNetwork } from './host-network.ts';
import { ipBlockOfPods } from './ip-block-of-pods.ts';
import { metadataReachable } from './metadata-reachable.ts';
import { namespaceWithoutPolicy } from './namespace-without-policy.ts';
import { notEnforced } from './not-enforced.ts';
import { peerMatchesNothing } from './peer-matches-nothing.ts';
import { podsNotIsolatedEgress, podsNotIsolatedIngress } from './pods-not-isolated.ts';
import { portNotDeclared } from './port-not-declared.ts';
import { policySelectsNothing, ruleSelectsNothing } from './selects-nothing.ts';

export const BOUNDARY: readonly Check[] = [
  notEnforced,
  namespaceWithoutPolicy,
  podsNotIsolatedIngress,
  podsNotIsolatedEgress,
  foreignPolicyWidens,
  ciliumPolicyWidens,
  calicoPolicyWidens,
  clusterNetworkPolicyWidens,
  ...ENGINE_SHAPES,
  hostNetwork,
  policySelectsNothing,
  ruleSelectsNothing,
  peerMatchesNothing,
  ipBlockOfPods,
  ambiguousShape,
  portNotDeclared,
  egressToEverywhere,
  ingressFromEveryone,
  metadataReachable,
];
