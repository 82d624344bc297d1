/** Builds the writer of guards. Its code is not even loaded where the configuration names no kind for them. */
import type { Capability } from '../../controller/capability.ts';
import { createObjectWriteLog } from '../../observability/audit-line.ts';
import { createWatchFailureLog } from '../../observability/watch-failures.ts';
import { notConfigured } from './not-configured.ts';
import type { CapabilityParts } from './parts.ts';

export async function createGuards(parts: CapabilityParts): Promise<readonly Capability[]> {
  const { options, transport, clusterState, records, logger, clock, isBusy } = parts;
  const { guard } = options;
  if (guard === undefined) return [NOT_CONFIGURED];
  const room = await import('../../controller/guards/index.ts');
  const carrier = room.GUARD_CARRIERS.find(({ kind }) => kind === guard.kind);
  if (carrier === undefined) return [NOT_CONFIGURED];
  const guards = new room.Guards({
    carrier,
    priorities: { first: guard.firstPriority, last: guard.lastPriority },
    transport,
    clusterState,
    records,
    clock,
    random: Math.random,
    resyncMs: options.resyncPeriod,
    isBusy,
    onWrite: createObjectWriteLog(logger, 'guard'),
    onWatchError: createWatchFailureLog(logger, clock),
    onRetry: ({ key: profile, error, failures, delayMs }) => {
      // A single write conflict or dropped connection is ordinary; a failure that repeats is not.
      const level = failures > 1 ? 'warn' : 'debug';
      const inMs = Math.round(delayMs);
      logger[level]('guard not written, will try again', { profile, failures, inMs, error });
    },
  });
  return [guards];
}

const NOT_CONFIGURED = notConfigured({
  type: 'GuardReady',
  message:
    "no guard is written or removed, as the operator's configuration names no kind of policies for it: set guard there, " +
    'such as guard: {kind: ClusterNetworkPolicy}',
  isAsked: ({ spec }) => (spec.guard?.mode ?? 'Disabled') !== 'Disabled',
});
