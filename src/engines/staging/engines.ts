/** The engines that stage policies. */
import { CALICO_STAGING } from '../calico/staged.ts';
import type { StagingEngine } from './engine.ts';

export const STAGING_ENGINES: readonly StagingEngine[] = [CALICO_STAGING];
