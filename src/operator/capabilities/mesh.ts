/** Builds the detection of the service mesh. Its code is not even loaded where the configuration names none. */
import type { Capability } from '../../controller/capability.ts';
import type { CapabilityParts } from './parts.ts';

export async function createMesh(parts: CapabilityParts): Promise<readonly Capability[]> {
  const { options, transport, clusterState, logger, metrics, clock } = parts;
  const { mesh } = options;
  if (mesh === 'None') return [];
  const room = await import('../../controller/mesh/index.ts');
  const record = metrics.mesh();
  const detection = new room.MeshDetection({
    transport,
    clusterState,
    clock,
    onVerdict: (verdict) => {
      const { status, reason, message } = verdict;
      record.found({ mesh, ...verdict });
      logger[status === 'True' ? 'info' : 'warn']('service mesh', { mesh, reason, message });
    },
  });
  return [detection];
}
