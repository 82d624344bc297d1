/** Builds the writer of Pod Security labels, which works only where a profile asks for a level. */
import { PodSecurity } from '../../controller/pod-security/pod-security.ts';
import type { CapabilityParts } from './parts.ts';

export function createPodSecurity({ transport, clusterState, logger, clock }: CapabilityParts): PodSecurity {
  return new PodSecurity({
    transport,
    clusterState,
    clock,
    random: Math.random,
    onWrite: (namespace, labels) => logger.info('Pod Security labels written', { namespace, labels }),
    onRetry: ({ key: namespace, error, failures, delayMs }) => {
      // A single write conflict or dropped connection is ordinary; a failure that repeats is not.
      const level = failures > 1 ? 'warn' : 'debug';
      const inMs = Math.round(delayMs);
      logger[level]('Pod Security labels not written, will try again', { namespace, failures, inMs, error });
    },
  });
}
