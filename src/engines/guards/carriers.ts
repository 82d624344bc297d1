/** The kinds of policies that carry guards. */
import { CALICO_GUARD } from '../calico/guard/carrier.ts';
import { CLUSTER_NETWORK_POLICY } from '../cluster-network-policy/carrier.ts';
import type { GuardCarrier } from './carrier.ts';

export const GUARD_CARRIERS: readonly GuardCarrier[] = [CLUSTER_NETWORK_POLICY, CALICO_GUARD];
