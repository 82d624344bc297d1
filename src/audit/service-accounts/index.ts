/** The checks of the family Service accounts: what workloads may do at the API server. */
import type { Check } from '../check.ts';
import { mastersGroup } from './masters-group.ts';
import { POWER_CHECKS } from './powers.ts';
import {
  apiServerReachable,
  defaultAccount,
  longLivedToken,
  tokenWithoutApiServer,
  tokenWithoutPermissions,
} from './tokens.ts';

export const SERVICE_ACCOUNTS: readonly Check[] = [
  ...POWER_CHECKS,
  tokenWithoutPermissions,
  tokenWithoutApiServer,
  defaultAccount,
  longLivedToken,
  mastersGroup,
  apiServerReachable,
];
