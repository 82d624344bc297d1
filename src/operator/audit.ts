/** Builds the audit in the cluster. Its code is not even loaded where the configuration has none. */
import type { ClusterState } from '../cluster-state/state.ts';
import type { Capability } from '../controller/capability.ts';
import type { EventRecorder } from '../kube/events/recorder.ts';
import type { Transport } from '../kube/http/transport.ts';
import type { Logger } from '../observability/logs/logger.ts';
import type { Metrics } from '../observability/metrics/registry.ts';
import type { Options } from '../options/options.ts';
import type { Clock } from '../util/clock.ts';

export interface AuditParts {
  readonly options: Pick<Options, 'audit' | 'cluster'>;
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly recorder: EventRecorder;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** True while namespaces wait for their reconcile. */
  readonly isBusy: () => boolean;
}

/** The audit, or the removal of its reports if it is switched off; none if the configuration has none. */
export async function createAudit(parts: AuditParts): Promise<readonly Capability[]> {
  const { options, transport, clusterState, recorder, logger, metrics, clock, isBusy } = parts;
  const { audit, cluster } = options;
  if (audit === undefined) return [];
  const room = await import('../audit-runner/index.ts');
  const random = Math.random;
  if (!audit.enabled) return [new room.ReportRemoval({ transport, logger, clock, random })];
  const { minSeverity, skip, registries, maxResults } = audit;
  const { protectedNamespaces } = clusterState;
  const runner = new room.AuditRunner({
    audit,
    settings: { minSeverity, skip, registries, maxResults, protectedNamespaces, configuration: cluster },
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
