/** All checks, by family. A new check is registered in the index of its family. */
import { BOUNDARY } from './boundary/index.ts';
import type { Check } from './check.ts';
import { EXPOSURE } from './exposure/index.ts';
import { PLATFORM } from './platform/index.ts';
import { PODS } from './pods/index.ts';
import { SERVICE_ACCOUNTS } from './service-accounts/index.ts';

export const CHECKS: readonly Check[] = [...BOUNDARY, ...EXPOSURE, ...PODS, ...SERVICE_ACCOUNTS, ...PLATFORM];
