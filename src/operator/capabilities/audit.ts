/** Builds the audit in the cluster. Its code is not even loaded where the configuration has none. */
import type { Capability } from '../../controller/capability.ts';
import type { CapabilityParts } from './parts.ts';

/** The audit, or the removal of its reports if it is switched off; none if the configuration has none. */
export async function createAudit(parts: CapabilityParts): Promise<readonly Capability[]> {
  const { options, transport, clusterState, recorder, logger, metrics, clock, isBusy } = parts;
  const { audit, cluster } = options;
  if (audit === undefined) return [];
  const room = await import('../../audit-runner/index.ts');
  const random = Math.random;
  if (!audit.enabled) return [new room.ReportRemoval({ transport, logger, clock, random })];
  const { minSeverity, skip, registries, waivers, maxResults } = audit;
  const { protectedNamespaces } = clusterState;
  const configuration = cluster;
  const runner = new room.AuditRunner({
    audit,
    settings: { minSeverity, skip, registries, waivers, maxResults, protectedNamespaces, configuration },
    transport,
    clusterState,
    clock,
    random,
    log: room.createAuditLog(logger),
    metrics: metrics.audit(audit.interval),
    events: room.createAuditEvents(clusterState, recorder),
    isBusy,
  });
  return [runner];
}
