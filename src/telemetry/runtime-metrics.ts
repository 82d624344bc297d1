/** Metrics of the runtime, under the names that client-go and controller-runtime use, so that their dashboards fit. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { sampledGauge } from './sampled-gauge.ts';

/** Waits and runs, in seconds; 50 ms and 250 ms are the objectives for a new namespace. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What is asked of a queue at a scrape; times in milliseconds. */
export interface QueueSnapshot {
  /** Keys that could run now, by priority. */
  readonly ready: Readonly<Record<string, number>>;
  readonly unfinished: number;
  readonly longest: number;
}

/** Hooks for the events of a queue; times in milliseconds. */
export interface QueueMetrics {
  onAdd(): void;
  onStart(waited: number): void;
  onDone(worked: number): void;
  onRetry(): void;
}

export function createQueueMetrics(
  registry: Registry,
): (name: string, snapshot: () => QueueSnapshot) => QueueMetrics {
  const snapshots = new Map<string, () => QueueSnapshot>();
  const registers = [registry];
  const labelNames = ['name'] as const;
  sampledGauge(registry, {
    name: 'workqueue_depth',
    help: 'Keys that wait for a free worker, by priority (controller-runtime has the same label).',
    labelNames: ['name', 'priority'],
    sample: (set) => {
      for (const [name, snapshot] of snapshots) {
        for (const [priority, count] of Object.entries(snapshot().ready)) set({ name, priority }, count);
      }
    },
  });
  sampledGauge(registry, {
    name: 'workqueue_unfinished_work_seconds',
    help: 'Age of the work in progress, summed over all workers; growth without end means that one is stuck.',
    labelNames,
    sample: (set) => {
      for (const [name, snapshot] of snapshots) set({ name }, snapshot().unfinished / 1000);
    },
  });
  sampledGauge(registry, {
    name: 'workqueue_longest_running_processor_seconds',
    help: 'Age of the oldest work in progress.',
    labelNames,
    sample: (set) => {
      for (const [name, snapshot] of snapshots) set({ name }, snapshot().longest / 1000);
    },
  });
  const adds = new Counter({
    name: 'workqueue_adds_total',
    help: 'Keys that became ready to be worked on; adds of a key that is ready already do not count.',
    labelNames,
    registers,
  });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Keys put back because their work failed.',
    labelNames,
    registers,
  });
  const waits = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a key was ready before its work began.',
    labelNames,
    buckets: BUCKETS,
    registers,
  });
  const works = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long the work on a key took.',
    labelNames,
    buckets: BUCKETS,
    registers,
  });
  return (name, snapshot) => {
    snapshots.set(name, snapshot);
    const label = { name };
    for (const counter of [adds, retries]) counter.inc(label, 0);
    for (const histogram of [waits, works]) histogram.zero(label);
    return {
      onAdd: () => adds.inc(label),
      onStart: (waited) => waits.observe(label, waited / 1000),
      onDone: (worked) => works.observe(label, worked / 1000),
      onRetry: () => retries.inc(label),
    };
  };
}

export interface RequestMeasurement {
  /** The HTTP method, or WATCH for a GET that watches. */
  readonly verb: string;
  readonly host: string;
  /** The HTTP status, or '<error>' when no answer came. */
  readonly status: number | string;
  readonly durationMs: number;
}

export function createRequestMetrics(registry: Registry): (measurement: RequestMeasurement) => void {
  const registers = [registry];
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server, by HTTP status (or <error>), method and host.',
    labelNames: ['code', 'method', 'host'],
    registers,
  });
  const durations = new Histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'How long requests to the API server took, by verb and host; for a WATCH until it was accepted.',
    labelNames: ['verb', 'host'],
    buckets: BUCKETS,
    registers,
  });
  return ({ verb, host, status, durationMs }) => {
    requests.inc({ code: String(status), method: verb === 'WATCH' ? 'GET' : verb, host });
    durations.observe({ verb, host }, durationMs / 1000);
  };
}

export function createLeaderMetrics(registry: Registry): (name: string, held: boolean) => void {
  const status = new Gauge({
    name: 'leader_election_master_status',
    help: 'Whether this replica leads: 1 while it holds the Lease, else 0.',
    labelNames: ['name'],
    registers: [registry],
  });
  return (name, held) => status.set({ name }, held ? 1 : 0);
}

const RESULTS = ['success', 'error', 'requeue_after'] as const;
export type ReconcileResult = (typeof RESULTS)[number];

export interface ReconcileMetrics {
  /** One reconciliation ended after `duration` milliseconds. */
  done(result: ReconcileResult, duration: number): void;
}

export function createReconcileMetrics(registry: Registry): (controller: string) => ReconcileMetrics {
  const registers = [registry];
  const total = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Reconciliations by controller and result: success, error, or requeue_after (all is well, look again later).',
    labelNames: ['controller', 'result'],
    registers,
  });
  const errors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Reconciliations that failed, by controller.',
    labelNames: ['controller'],
    registers,
  });
  const times = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long a reconciliation took, by controller.',
    labelNames: ['controller'],
    buckets: BUCKETS,
    registers,
  });
  return (controller) => {
    for (const result of RESULTS) total.inc({ controller, result }, 0);
    errors.inc({ controller }, 0);
    times.zero({ controller });
    return {
      done: (result, duration) => {
        total.inc({ controller, result });
        if (result === 'error') errors.inc({ controller });
        times.observe({ controller }, duration / 1000);
      },
    };
  };
}
