/** Builds the rollouts of profiles, which work only where a profile has one. */
import { Rollouts } from '../../controller/rollout/rollouts.ts';
import type { CapabilityParts } from './parts.ts';

export function createRollouts({
  transport,
  clusterState,
  records,
  namespace,
  logger,
  clock,
}: CapabilityParts): Rollouts {
  const rollouts = new Rollouts({
    transport,
    clusterState,
    records,
    namespace,
    clock,
    random: Math.random,
    onRetry: ({ key: profile, error, failures, delayMs }) => {
      const level = failures > 1 ? 'warn' : 'debug';
      const inMs = Math.round(delayMs);
      logger[level]('revision not recorded, will try again', { profile, failures, inMs, error });
    },
  });
  clusterState.revisions = rollouts;
  return rollouts;
}
