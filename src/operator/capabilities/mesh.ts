/** Builds the detection of the service mesh, and the writer of its overlay. Their code is not even loaded where the configuration names none. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Capability, CapabilityReport } from '../../controller/capability.ts';
import { describeRequestFailure } from '../../observability/request-failure.ts';
import { asksForOverlay } from '../../policy/mesh.ts';
import type { CapabilityParts } from './parts.ts';

export async function createMesh(parts: CapabilityParts): Promise<readonly Capability[]> {
  const { options, transport, clusterState, logger, metrics, clock } = parts;
  const { mesh } = options;
  if (mesh === 'None') return [NOT_CONFIGURED];
  const room = await import('../../controller/mesh/index.ts');
  const record = metrics.mesh();
  let lastFailure: string | undefined;
  const detection = new room.MeshDetection({
    transport,
    clusterState,
    clock,
    random: Math.random,
    resyncMs: options.resyncPeriod,
    onWrite: (verb, { kind, metadata: { namespace, name } }) =>
      logger.info('policy of the service mesh written', { verb, kind, namespace, name }),
    onWatchError: (resource, error) => {
      const { message, cause } = describeRequestFailure(error, resource);
      logger[cause === lastFailure ? 'debug' : 'warn'](message, { resource, error });
      lastFailure = cause;
    },
    onVerdict: (verdict) => {
      const { status, reason, message } = verdict;
      record.found({ mesh, ...verdict });
      logger[status === 'True' ? 'info' : 'warn']('service mesh', { mesh, reason, message });
    },
  });
  return [detection];
}

/** Tells profiles that ask for an overlay why they have none. */
const NOT_CONFIGURED: Capability = {
  lead: () => {},
  stop: () => Promise.resolve(),
  isJudged: () => true,
  isReleased: () => true,
  report({ spec }: SegmentationProfile): CapabilityReport | undefined {
    if (!asksForOverlay(spec.mesh)) return undefined;
    const reason = 'NotConfigured';
    const message =
      "no overlay is written, as the operator's configuration names no service mesh: set mesh there";
    return { condition: { type: 'MeshReady', status: 'False', reason, message }, isStalled: true };
  },
};
