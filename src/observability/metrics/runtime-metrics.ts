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
  // controller-runtime has both, of the same value.
  const labelNames = ['name', 'controller'] as const;
  sampledGauge(registry, {
    name: 'workqueue_depth',
    help: 'Keys that wait for a free worker, by priority (controller-runtime has the same label).',
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
    help: 'Age of the work in progress, summed over all workers; growth without end means that one is stuck.',
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
    const label = { name, controller: name };
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
  /** Of the bodies; undefined where there is none, or it is a stream. */
  readonly requestBytes?: number | undefined;
  readonly responseBytes?: number | undefined;
}

/** As client-go has them, 64 bytes to 16 MiB. */
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
  /** Whether this replica holds the Lease now. */
  held(held: boolean): void;
  /** The leader had to read its Lease before it could renew it. */
  slowPath(): void;
}

export function createLeaderMetrics(registry: Registry): (name: string) => LeaderMetrics {
  const status = new Gauge({
    name: 'leader_election_master_status',
    help: 'Whether this replica leads: 1 while it holds the Lease, else 0.',
    labelNames: ['name'],
    registers: [registry],
  });
  const slowPaths = new Counter({
    name: 'leader_election_slowpath_total',
    help: 'Renewals for which the leader had to read the Lease first, as somebody else had written it.',
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
  /** One begins. */
  start(): void;
  /** One that began ended after `duration` milliseconds. */
  done(result: ReconcileResult, duration: number, why?: ReconcileFailure): void;
}

/** `terminal`: the same attempt fails the same way until a person acts; `panic`: a defect. */
export type ReconcileFailure = 'terminal' | 'panic';

export function createReconcileMetrics(
  registry: Registry,
): (controller: string, concurrency: number) => ReconcileMetrics {
  const registers = [registry];
  const labelNames = ['controller'] as const;
  const total = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Reconciliations by controller and result: success, error, or requeue_after (all is well, look again later).',
    labelNames: ['controller', 'result'],
    registers,
  });
  const errors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Reconciliations that failed, by controller.',
    labelNames,
    registers,
  });
  const terminal = new Counter({
    name: 'controller_runtime_terminal_reconcile_errors_total',
    help: 'Of those that failed: as they will again until a person acts.',
    labelNames,
    registers,
  });
  const panics = new Counter({
    name: 'controller_runtime_reconcile_panics_total',
    help: 'Of those that failed: by a defect of the operator.',
    labelNames,
    registers,
  });
  const times = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long a reconciliation took, by controller.',
    labelNames,
    buckets: BUCKETS,
    registers,
  });
  const workers = new Gauge({
    name: 'controller_runtime_max_concurrent_reconciles',
    help: 'Most reconciliations at once; all controllers together, which share their workers.',
    labelNames,
    registers,
  });
  const active = new Gauge({
    name: 'controller_runtime_active_workers',
    help: 'Reconciliations under way, by controller.',
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
      done: (result, duration, why) => {
        active.dec(label);
        total.inc({ controller, result });
        if (result === 'error') errors.inc(label);
        if (why === 'terminal') terminal.inc(label);
        if (why === 'panic') panics.inc(label);
        times.observe(label, duration / 1000);
      },
    };
  };
}

export interface CertificateMetrics {
  /** The certificate of an endpoint was read, or could not be. */
  read(failed: boolean): void;
}

export function createCertificateMetrics(registry: Registry): CertificateMetrics {
  const reads = new Counter({
    name: 'certwatcher_read_certificate_total',
    help: 'How often the certificate of the metrics endpoint was read from its files.',
    registers: [registry],
  });
  const errors = new Counter({
    name: 'certwatcher_read_certificate_errors_total',
    help: 'How often it could not be read or used; the last good one stays.',
    registers: [registry],
  });
  return {
    read: (failed) => {
      reads.inc();
      if (failed) errors.inc();
    },
  };
}
