/**
 * Builds the detection of the service mesh, and the writer of its overlay. Their code is not even loaded where the
 * configuration names none.
 */
import type { Capability } from '../../controller/capability.ts';
import { createObjectWriteLog } from '../../observability/audit-line.ts';
import { createWatchFailureLog } from '../../observability/watch-failures.ts';
import { asksForOverlay } from '../../policy/mesh.ts';
import { notConfigured } from './not-configured.ts';
import type { CapabilityParts } from './parts.ts';

export async function createMesh(parts: CapabilityParts): Promise<readonly Capability[]> {
  const { options, transport, clusterState, logger, metrics, clock } = parts;
  const { mesh } = options;
  if (mesh === 'None') return [NOT_CONFIGURED];
  const room = await import('../../controller/mesh/index.ts');
  const record = metrics.mesh();
  const detection = new room.MeshDetection({
    transport,
    clusterState,
    clock,
    random: Math.random,
    resyncMs: options.resyncPeriod,
    onWrite: createObjectWriteLog(logger, 'policy of the service mesh'),
    onWatchError: createWatchFailureLog(logger, clock),
    onVerdict: (verdict) => {
      const { status, reason, message } = verdict;
      record.found({ mesh, ...verdict });
      logger[status === 'True' ? 'info' : 'warn']('service mesh', { mesh, reason, message });
    },
  });
  return [detection];
}

const NOT_CONFIGURED = notConfigured({
  type: 'MeshReady',
  message: "no overlay is written, as the operator's configuration names no service mesh: set mesh there",
  isAsked: ({ spec }) => asksForOverlay(spec.mesh),
});
