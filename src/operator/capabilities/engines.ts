/** Builds the detection of the network engine. Its code is not even loaded where the configuration names none. */
import type { Capability } from '../../controller/capability.ts';
import type { CapabilityParts } from './parts.ts';

export async function createEngines(parts: CapabilityParts): Promise<readonly Capability[]> {
  const { options, transport, clusterState, logger, metrics, clock } = parts;
  if (options.engine === 'None') return [];
  const { EngineDetection, SIGNATURES } = await import('../../controller/engines/index.ts');
  const record = metrics.engine();
  const detection = new EngineDetection({
    setting: options.engine,
    signatures: SIGNATURES,
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
