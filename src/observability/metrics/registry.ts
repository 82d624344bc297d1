/**
 * The operator's metrics. Only the files of this folder know prom-client; callers get recorders that are named after
 * what they record. Times are given in milliseconds and exposed in seconds.
 *
 * Names and labels are those of client-go and controller-runtime for what they cover. No label has an unbounded set
 * of values: profiles yes, namespaces and objects never. Every series whose labels are known is there from the
 * start, at 0, so that rate() sees the first increase.
 */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type ExpositionFormat, render } from './format/exposition.ts';
import { type AuditMetrics, createAuditMetrics } from './capabilities/audit-metrics.ts';
import { createCanaryMetrics } from './canary-metrics.ts';
import { type CertificateMetrics, createCertificateMetrics } from './certificate-metrics.ts';
import {
  createEngineMetrics,
  createMeshMetrics,
  type EngineMetrics,
  type MeshMetrics,
} from './capabilities/engine-metrics.ts';
import { createEnforcementMetrics, type EnforcementMetrics } from './enforcement-metrics.ts';
import { createExceptionMetrics, type ExceptionMetrics } from './capabilities/exception-metrics.ts';
import { createLeaderMetrics, type LeaderMetrics } from './leader-metrics.ts';
import { MISNAMED } from './format/misnamed.ts';
import { createQueryMetrics, type QueryMetrics } from './capabilities/query-metrics.ts';
import { createQueueMetrics, type QueueMetrics } from './queue-metrics.ts';
import { createReconcileMetrics, type ReconcileMetrics } from './reconcile-metrics.ts';
import { createRequestMetrics, type RequestMeasurement } from './request-metrics.ts';
import { createSegmentationMetrics, type SegmentationMetrics } from './segmentation-metrics.ts';
import { byName } from '../../util/order.ts';

export type { AuditMetrics } from './capabilities/audit-metrics.ts';
export type { EngineMetrics, MeshMetrics } from './capabilities/engine-metrics.ts';
export type { LeaderMetrics } from './leader-metrics.ts';
export type { QueryMetrics } from './capabilities/query-metrics.ts';
export type { QueueMetrics, QueueSnapshot } from './queue-metrics.ts';
export type { ReconcileMetrics, ReconcileResult } from './reconcile-metrics.ts';
export type { RequestMeasurement } from './request-metrics.ts';
export type {
  ProfileCounts,
  RolloutCounts,
  SegmentationMetrics,
  WriteReason,
  WriteVerb,
} from './segmentation-metrics.ts';

export interface Metrics extends SegmentationMetrics, EnforcementMetrics {
  /** The metrics of the work queue `name`. */
  queue(name: string): QueueMetrics;
  /** Counts one HTTP exchange with the API server. */
  request(measurement: RequestMeasurement): void;
  /** The metrics of the election by the Lease `name`. */
  leader(name: string): LeaderMetrics;
  /** @param concurrency how many reconciles run at once, of all controllers that share the workers */
  reconcile(controller: string, concurrency: number): ReconcileMetrics;
  readonly certificate: CertificateMetrics;
  /** The metrics of the audit in the cluster, which repeats after `intervalMs` milliseconds. Call it once. */
  audit(intervalMs: number): AuditMetrics;
  /** The metrics of the network engine. Call it once. */
  engine(): EngineMetrics;
  /** The metrics of the service mesh. Call it once. */
  mesh(): MeshMetrics;
  /** The metrics of the queries of gates. Call it once. */
  queries(): QueryMetrics;
  /** Gives the source of the gauges of exceptions. */
  readonly exceptions: ExceptionMetrics;
  /** All metrics as text. */
  render(format: ExpositionFormat): Promise<string>;
}

export function createMetrics(options: { readonly version: string }): Metrics {
  return register(new Registry(), options.version);
}

export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** Every metric of the operator, by name. */
export function describeMetrics(): MetricDescription[] {
  const registry = new Registry();
  const metrics = register(registry, '');
  metrics.audit(0);
  metrics.engine();
  metrics.mesh();
  metrics.queries();
  return describeRegistry(registry);
}

/** Every metric of a probe of the canary, by name. */
export function describeCanaryMetrics(): MetricDescription[] {
  const registry = new Registry();
  createCanaryMetrics(registry);
  return describeRegistry(registry);
}

function describeRegistry(registry: Registry): MetricDescription[] {
  // prom-client's types lack labelNames, and declare `type` as a number where it is a text.
  const metrics = registry.getMetricsAsArray() as unknown as {
    readonly name: string;
    readonly type: string;
    readonly labelNames: readonly string[];
    readonly help: string;
  }[];
  return metrics
    .map(({ name, type, labelNames, help }) => ({ name, type, labels: labelNames, help }))
    .sort(byName);
}

function register(registry: Registry, version: string): Metrics {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  new Gauge({
    name: 'segmentation_build_info',
    help: 'Always 1; the labels say which build runs.',
    labelNames: ['version', 'node_version'],
    registers: [registry],
  }).set({ version, node_version: process.version }, 1);
  return {
    ...createSegmentationMetrics(registry),
    ...createEnforcementMetrics(registry),
    queue: createQueueMetrics(registry),
    request: createRequestMetrics(registry),
    leader: createLeaderMetrics(registry),
    reconcile: createReconcileMetrics(registry),
    certificate: createCertificateMetrics(registry),
    exceptions: createExceptionMetrics(registry),
    audit: (intervalMs) => createAuditMetrics(registry, intervalMs),
    engine: () => createEngineMetrics(registry),
    mesh: () => createMeshMetrics(registry),
    queries: () => createQueryMetrics(registry),
    render: (format) => render(registry, format),
  };
}
