/** Metrics of the queries to the Prometheus that gates of rollouts ask. They exist only where the configuration has one. */
import { Counter, Histogram, type Registry } from 'prom-client';
import { DURATION_BUCKETS } from '../buckets.ts';

const RESULTS = ['value', 'none'] as const;

export interface QueryMetrics {
  /** Counts a query that took `durationMs` milliseconds; `none` without exactly one number. */
  asked(result: (typeof RESULTS)[number], durationMs: number): void;
}

export function createQueryMetrics(registry: Registry): QueryMetrics {
  const registers = [registry];
  const queries = new Counter({
    name: 'segmentation_rollout_queries_total',
    help: 'Queries of gates to the configured Prometheus, by result: value, or none if it gave no number.',
    labelNames: ['result'],
    registers,
  });
  for (const result of RESULTS) queries.inc({ result }, 0);
  const durations = new Histogram({
    name: 'segmentation_rollout_query_duration_seconds',
    help: 'How long queries of gates to the configured Prometheus took.',
    buckets: DURATION_BUCKETS,
    registers,
  });
  return {
    asked: (result, durationMs) => {
      queries.inc({ result });
      durations.observe(durationMs / 1000);
    },
  };
}
