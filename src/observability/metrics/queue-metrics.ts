/** Metrics of work queues, under the names of client-go and controller-runtime. */
import { Counter, type Registry } from 'prom-client';
import { DURATION_BUCKETS } from './buckets.ts';
import { sampledGauge } from './sampled-gauge.ts';
import { SeriesHistogram } from './series-histogram.ts';

/** The state of a queue at a scrape; times are in milliseconds. */
export interface QueueSnapshot {
  /** Keys that only wait for a free worker, by priority. */
  readonly ready: Readonly<Record<string, number>>;
  readonly unfinishedMs: number;
  readonly longestMs: number;
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

// controller-runtime has both labels, with the same value.
const LABELS = ['name', 'controller'] as const;

export function createQueueMetrics(registry: Registry): (name: string) => QueueMetrics {
  const snapshots = new Map<string, () => QueueSnapshot>();
  sampleQueues(registry, snapshots);
  const registers = [registry];
  const adds = new Counter({
    name: 'workqueue_adds_total',
    help: 'Keys that became ready; adding a key that is ready already does not count.',
    labelNames: LABELS,
    registers,
  });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Keys put back because their reconcile failed.',
    labelNames: LABELS,
    registers,
  });
  const waits = new SeriesHistogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a key was ready before its reconcile began.',
    labelNames: LABELS,
    buckets: DURATION_BUCKETS,
    registers,
  });
  const works = new SeriesHistogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long the reconcile of a key took.',
    labelNames: LABELS,
    buckets: DURATION_BUCKETS,
    registers,
  });
  return (name) => {
    const label = { name, controller: name };
    for (const counter of [adds, retries]) counter.inc(label, 0);
    const [waited, worked] = [waits.series(label), works.series(label)];
    return {
      onAdd: () => adds.inc(label),
      onStart: (waitedMs) => waited(waitedMs / 1000),
      onDone: (workedMs) => worked(workedMs / 1000),
      onRetry: () => retries.inc(label),
      sample: (snapshot) => void snapshots.set(name, snapshot),
    };
  };
}

function sampleQueues(registry: Registry, snapshots: ReadonlyMap<string, () => QueueSnapshot>): void {
  sampledGauge(registry, {
    name: 'workqueue_depth',
    help: 'Keys that wait for a free worker, by priority.',
    labelNames: [...LABELS, 'priority'],
    sample: (set) => {
      for (const [name, snapshot] of snapshots) {
        for (const [priority, count] of Object.entries(snapshot().ready))
          set({ name, controller: name, priority }, count);
      }
    },
  });
  sampledGauge(registry, {
    name: 'workqueue_unfinished_work_seconds',
    help: 'Age of the reconciles that run, summed over all workers; if it only grows, a worker is stuck.',
    labelNames: LABELS,
    sample: (set) => {
      for (const [name, snapshot] of snapshots)
        set({ name, controller: name }, snapshot().unfinishedMs / 1000);
    },
  });
  sampledGauge(registry, {
    name: 'workqueue_longest_running_processor_seconds',
    help: 'Age of the oldest reconcile that runs.',
    labelNames: LABELS,
    sample: (set) => {
      for (const [name, snapshot] of snapshots) set({ name, controller: name }, snapshot().longestMs / 1000);
    },
  });
}
