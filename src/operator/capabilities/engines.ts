/**
 * Builds the detection of the network engine, and the writer of its own policies. Their code is not even loaded where the
 * configuration names none.
 */
import type { Capability } from '../../controller/capability.ts';
import { createObjectWriteLog } from '../../observability/audit-line.ts';
import { createWatchFailureLog } from '../../observability/watch-failures.ts';
import type { CapabilityParts } from './parts.ts';

export async function createEngines(parts: CapabilityParts): Promise<readonly Capability[]> {
  const { options, transport, clusterState, logger, metrics, clock } = parts;
  if (options.engine === 'None') return [];
  const room = await import('../../controller/engines/index.ts');
  const record = metrics.engine();
  const extensions = new room.EngineExtensions({
    engines: room.EXTENSION_ENGINES,
    staging: room.STAGING_ENGINES,
    transport,
    clusterState,
    clock,
    random: Math.random,
    resyncMs: options.resyncPeriod,
    onWrite: createObjectWriteLog(logger, 'policy of the network engine'),
    onWatchError: createWatchFailureLog(logger, clock),
    onStagingRetry: ({ key: namespace, error, failures, delayMs }) => {
      // A single write conflict or dropped connection is ordinary; a failure that repeats is not.
      const level = failures > 1 ? 'warn' : 'debug';
      const inMs = Math.round(delayMs);
      logger[level]('staged policies not written, will try again', { namespace, failures, inMs, error });
    },
  });
  const detection = new room.EngineDetection({
    setting: options.engine,
    signatures: room.SIGNATURES,
    extensions,
    transport,
    clusterState,
    clock,
    onVerdict: (verdict) => {
      const { setting, engine, status, reason, message } = verdict;
      record.found(verdict);
      logger[status === 'True' ? 'info' : 'warn']('network engine', { setting, engine, reason, message });
    },
  });
  return [detection];
}
