/** Metrics of the runtime, under the names that client-go and controller-runtime use, so that their dashboards fit. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { sampledGauge } from './sampled-gauge.ts';

/** Waits and runs, in seconds; 50 ms and 250 ms are the objectives for a new namespace. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The state of a queue at a scrape; times are in milliseconds. */
export interface QueueSnapshot {
  /** Keys that only wait for a free worker, by priority. */
  readonly ready: Readonly<Record<string, number>>;
  readonly unfinished: number;
  readonly longest: number;
}

/** The metrics of one queue. The hooks fit a QueueObserver; times are in milliseconds. */
export interface QueueMetrics {
  onAdd(): void;
  onStart(waitedMs: number): void;
  onDone(workedMs: number): void;
  onRetry(): void;
  /** Gives the source of the gauges, which is called at each scrape. */
  sample(snapshot: () => QueueSnapshot): void;
}

export function createQueueMetrics(registry: Registry): (name: string) => QueueMetrics {
  const snapshots = new Map<string, () => QueueSnapshot>();
  const registers = [registry];
  // controller-runtime has both labels, with the same value.
  const labelNames = ['name', 'controller'] as const;
  sampledGauge(registry, {
    name: 'workqueue_depth',
    help: 'Keys that wait for a free worker, by priority.',
    labelNames: ['name', 'controller', 'priority'],
    sample: (set) => {
      for (const [name, snapshot] of snapshots) {
        for (const [priority, count] of Object.entries(snapshot().ready))
          set({ name, controller: name, priority }, count);
      }
    },
  });
  sampledGauge(registry, {
    name: 'workqueue_unfinished_work_seconds',
    help: 'Age of the work in progress, summed over all workers; if it only grows, a worker is stuck.',
    labelNames,
    sample: (set) => {
      for (const [name, snapshot] of snapshots) set({ name, controller: name }, snapshot().unfinished / 1000);
    },
  });
  sampledGauge(registry, {
    name: 'workqueue_longest_running_processor_seconds',
    help: 'Age of the oldest work in progress.',
    labelNames,
    sample: (set) => {
      for (const [name, snapshot] of snapshots) set({ name, controller: name }, snapshot().longest / 1000);
    },
  });
  const adds = new Counter({
    name: 'workqueue_adds_total',
    help: 'Keys that became ready; adding a key that is ready already does not count.',
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
  return (name) => {
    const label = { name, controller: name };
    for (const counter of [adds, retries]) counter.inc(label, 0);
    for (const histogram of [waits, works]) histogram.zero(label);
    return {
      onAdd: () => adds.inc(label),
      onStart: (waitedMs) => waits.observe(label, waitedMs / 1000),
      onDone: (workedMs) => works.observe(label, workedMs / 1000),
      onRetry: () => retries.inc(label),
      sample: (snapshot) => void snapshots.set(name, snapshot),
    };
  };
}

export interface RequestMeasurement {
  /** The HTTP method, or WATCH for a GET that watches. */
  readonly verb: string;
  readonly host: string;
  /** The HTTP status, or '<error>' without an answer. */
  readonly status: number | string;
  readonly durationMs: number;
  /** Sizes of the bodies; undefined without a body, and for a stream. */
  readonly requestBytes?: number | undefined;
  readonly responseBytes?: number | undefined;
}

/** Buckets of client-go, in bytes, up to 16 MiB. */
const SIZES = [64, 256, 512, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];

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
  const sent = new Histogram({
    name: 'rest_client_request_size_bytes',
    help: 'Sizes of the bodies sent to the API server, by verb and host.',
    labelNames: ['verb', 'host'],
    buckets: SIZES,
    registers,
  });
  const received = new Histogram({
    name: 'rest_client_response_size_bytes',
    help: 'Sizes of the bodies that the API server answered, by verb and host; not of a WATCH.',
    labelNames: ['verb', 'host'],
    buckets: SIZES,
    registers,
  });
  return ({ verb, host, status, durationMs, requestBytes, responseBytes }) => {
    requests.inc({ code: String(status), method: verb === 'WATCH' ? 'GET' : verb, host });
    durations.observe({ verb, host }, durationMs / 1000);
    if (requestBytes !== undefined) sent.observe({ verb, host }, requestBytes);
    if (responseBytes !== undefined) received.observe({ verb, host }, responseBytes);
  };
}

export interface LeaderMetrics {
  /** @param held true while this replica holds the Lease */
  held(held: boolean): void;
  /** Counts one renewal that had to read the Lease first. */
  slowPath(): void;
}

export function createLeaderMetrics(registry: Registry): (name: string) => LeaderMetrics {
  const status = new Gauge({
    name: 'leader_election_master_status',
    help: '1 while this replica holds the Lease, else 0.',
    labelNames: ['name'],
    registers: [registry],
  });
  const slowPaths = new Counter({
    name: 'leader_election_slowpath_total',
    help: 'Renewals that had to read the Lease first, as it was written by others.',
    labelNames: ['name'],
    registers: [registry],
  });
  return (name) => {
    status.set({ name }, 0);
    slowPaths.inc({ name }, 0);
    return { held: (held) => status.set({ name }, held ? 1 : 0), slowPath: () => slowPaths.inc({ name }) };
  };
}

const RESULTS = ['success', 'error', 'requeue_after'] as const;
export type ReconcileResult = (typeof RESULTS)[number];

export interface ReconcileMetrics {
  /** A reconcile begins. */
  start(): void;
  /** A reconcile ends, `durationMs` milliseconds after it began. */
  done(result: ReconcileResult, durationMs: number, failure?: ReconcileFailure): void;
}

/** `terminal`: every retry fails in the same way until a person acts; `panic`: a defect. */
export type ReconcileFailure = 'terminal' | 'panic';

export function createReconcileMetrics(
  registry: Registry,
): (controller: string, concurrency: number) => ReconcileMetrics {
  const registers = [registry];
  const labelNames = ['controller'] as const;
  const total = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Reconciles by controller and result: success, error, or requeue_after (successful, to be repeated later).',
    labelNames: ['controller', 'result'],
    registers,
  });
  const errors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Reconciles that failed, by controller.',
    labelNames,
    registers,
  });
  const terminal = new Counter({
    name: 'controller_runtime_terminal_reconcile_errors_total',
    help: 'Reconciles that failed and will fail again until a person acts, by controller.',
    labelNames,
    registers,
  });
  const panics = new Counter({
    name: 'controller_runtime_reconcile_panics_total',
    help: 'Reconciles that failed by a defect of the operator, by controller.',
    labelNames,
    registers,
  });
  const times = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long a reconcile took, by controller.',
    labelNames,
    buckets: BUCKETS,
    registers,
  });
  const workers = new Gauge({
    name: 'controller_runtime_max_concurrent_reconciles',
    help: 'Most reconciles at once, by controller; controllers share their workers.',
    labelNames,
    registers,
  });
  const active = new Gauge({
    name: 'controller_runtime_active_workers',
    help: 'Reconciles that run now, by controller.',
    labelNames,
    registers,
  });
  return (controller, concurrency) => {
    const label = { controller };
    for (const result of RESULTS) total.inc({ controller, result }, 0);
    for (const counter of [errors, terminal, panics]) counter.inc(label, 0);
    times.zero(label);
    workers.set(label, concurrency);
    active.set(label, 0);
    return {
      start: () => active.inc(label),
      done: (result, durationMs, failure) => {
        active.dec(label);
        total.inc({ controller, result });
        if (result === 'error') errors.inc(label);
        if (failure === 'terminal') terminal.inc(label);
        if (failure === 'panic') panics.inc(label);
        times.observe(label, durationMs / 1000);
      },
    };
  };
}

export interface CertificateMetrics {
  /** Counts one read of the certificate. @param failed true if it could not be read or used */
  read(failed: boolean): void;
}

export function createCertificateMetrics(registry: Registry): CertificateMetrics {
  const reads = new Counter({
    name: 'certwatcher_read_certificate_total',
    help: 'Reads of the certificate of the metrics endpoint from its files.',
    registers: [registry],
  });
  const errors = new Counter({
    name: 'certwatcher_read_certificate_errors_total',
    help: 'Reads of the certificate of the metrics endpoint that failed; the last good one stays in use.',
    registers: [registry],
  });
  return {
    read: (failed) => {
      reads.inc();
      if (failed) errors.inc();
    },
  };
}
