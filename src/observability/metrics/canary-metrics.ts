/** Metrics of a probe of the canary, which is a process of its own. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type CertificateMetrics, createCertificateMetrics } from './certificate-metrics.ts';
import { type ExpositionFormat, render } from './format/exposition.ts';
import { MISNAMED } from './format/misnamed.ts';

const OUTCOMES = ['passed', 'blocked', 'unanswered', 'stranger', 'failed'] as const;
type AttemptOutcome = (typeof OUTCOMES)[number];

export interface CanaryMetrics {
  /** Counts one attempt of a flow. */
  attempted(outcome: AttemptOutcome): void;
  /** @param counts number of flows by verdict */
  flows(counts: Readonly<Record<string, number>>): void;
  /** A round ended at `timeMs`, in milliseconds since the epoch. */
  roundEnded(timeMs: number): void;
  /** A change of policies took effect on one target after `latencyMs` milliseconds; undefined: not in time. */
  latency(change: 'allow' | 'deny', latencyMs: number | undefined): void;
  readonly certificate: CertificateMetrics;
  /** All metrics as text. */
  render(format: ExpositionFormat): Promise<string>;
}

export function createCanaryMetrics(registry = new Registry()): CanaryMetrics {
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const attempts = new Counter({
    name: 'segmentation_canary_attempts_total',
    help: 'Attempts of a probe of the canary, by outcome: passed, blocked, unanswered, stranger (somebody else answers) or failed (on its own side).',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of OUTCOMES) attempts.inc({ outcome }, 0);
  const flows = new Gauge({
    name: 'segmentation_canary_probe_flows',
    help: 'Flows of a probe of the canary, by verdict: passed and denied (as the policies say), leaked, cut, settling or unproven.',
    labelNames: ['verdict'],
    registers,
  });
  const lastRound = new Gauge({
    name: 'segmentation_canary_last_round_timestamp_seconds',
    help: 'When a probe of the canary had last tried all its flows, in Unix time; 0 before the first time.',
    registers,
  });
  const latency = new Histogram({
    name: 'segmentation_canary_latency_seconds',
    help: 'Time from the write of a NetworkPolicy until packets to a pod were treated accordingly, by change: allow or deny.',
    labelNames: ['change'],
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const timeouts = new Counter({
    name: 'segmentation_canary_latency_exceeded_total',
    help: 'Changes of a NetworkPolicy that had no effect on packets to a pod within a minute, by change: allow or deny.',
    labelNames: ['change'],
    registers,
  });
  for (const change of ['allow', 'deny']) {
    latency.zero({ change });
    timeouts.inc({ change }, 0);
  }
  return {
    attempted: (outcome) => attempts.inc({ outcome }),
    flows: (counts) => {
      for (const [verdict, count] of Object.entries(counts)) flows.set({ verdict }, count);
    },
    roundEnded: (timeMs) => lastRound.set(timeMs / 1000),
    latency: (change, latencyMs) => {
      if (latencyMs === undefined) timeouts.inc({ change });
      else latency.observe({ change }, latencyMs / 1000);
    },
    certificate: createCertificateMetrics(registry),
    render: (format) => render(registry, format),
  };
}
