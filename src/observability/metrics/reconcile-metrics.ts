/** Metrics of reconciles, under the names of controller-runtime. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { DURATION_BUCKETS } from './buckets.ts';
import { SeriesHistogram } from './series-histogram.ts';

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

const LABELS = ['controller'] as const;

export function createReconcileMetrics(
  registry: Registry,
): (controller: string, concurrency: number) => ReconcileMetrics {
  const { total, failures } = createReconcileCounters(registry);
  const times = new SeriesHistogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long a reconcile took, by controller.',
    labelNames: LABELS,
    buckets: DURATION_BUCKETS,
    registers: [registry],
  });
  const workers = new Gauge({
    name: 'controller_runtime_max_concurrent_reconciles',
    help: 'Most reconciles at once, by controller; controllers share their workers.',
    labelNames: LABELS,
    registers: [registry],
  });
  const active = new Gauge({
    name: 'controller_runtime_active_workers',
    help: 'Reconciles that run now, by controller.',
    labelNames: LABELS,
    registers: [registry],
  });
  return (controller, concurrency) => {
    const label = { controller };
    for (const result of RESULTS) total.inc({ controller, result }, 0);
    for (const counter of Object.values(failures)) counter.inc(label, 0);
    const took = times.series(label);
    workers.set(label, concurrency);
    active.set(label, 0);
    return {
      start: () => active.inc(label),
      done: (result, durationMs, failure) => {
        active.dec(label);
        total.inc({ controller, result });
        if (result === 'error') failures.any.inc(label);
        if (failure !== undefined) failures[failure].inc(label);
        took(durationMs / 1000);
      },
    };
  };
}

function createReconcileCounters(registry: Registry) {
  const registers = [registry];
  return {
    total: new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Reconciles by controller and result: success, error, or requeue_after (successful, to be repeated later).',
      labelNames: ['controller', 'result'],
      registers,
    }),
    failures: {
      any: new Counter({
        name: 'controller_runtime_reconcile_errors_total',
        help: 'Reconciles that failed, by controller.',
        labelNames: LABELS,
        registers,
      }),
      terminal: new Counter({
        name: 'controller_runtime_terminal_reconcile_errors_total',
        help: 'Reconciles that failed and will fail again until a person acts, by controller.',
        labelNames: LABELS,
        registers,
      }),
      panic: new Counter({
        name: 'controller_runtime_reconcile_panics_total',
        help: 'Reconciles that failed by a defect of the operator, by controller.',
        labelNames: LABELS,
        registers,
      }),
    },
  };
}
