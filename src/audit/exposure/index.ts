/** The checks of the family Exposure: what the outside reaches. */
import type { Check } from '../check.ts';
import { blockedByPolicy, withoutBackend, withoutTls } from './entries.ts';
import { routeWithoutTls, withoutGrant } from './routes.ts';
import { nobodyAllowed, selectsNoPod, targetPortMissing } from './service-targets.ts';
import { externalIPs, nodePort, openLoadBalancer } from './services.ts';

export const EXPOSURE: readonly Check[] = [
  nodePort,
  openLoadBalancer,
  externalIPs,
  selectsNoPod,
  targetPortMissing,
  nobodyAllowed,
  withoutTls,
  routeWithoutTls,
  withoutBackend,
  withoutGrant,
  blockedByPolicy,
];
