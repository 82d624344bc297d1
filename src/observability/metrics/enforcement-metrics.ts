/** Metrics of enforcement, as the canary's probes report it to the operator. Without a canary there are no series. */
import type { Registry } from 'prom-client';
import { sampledGauge } from './sampled-gauge.ts';

export interface EnforcementSample {
  /** The status of the condition EnforcementVerified. */
  readonly status: 'True' | 'False' | 'Unknown';
  /** Nodes on which packets have shown enforcement. */
  readonly nodes: number;
  /** Number of flows of all probes, by verdict. */
  readonly flows: Readonly<Record<string, number>>;
}

export interface EnforcementMetrics {
  /** Gives the source of the gauges, which is called at each scrape. */
  enforcement(sample: () => EnforcementSample): void;
}

export function createEnforcementMetrics(registry: Registry): EnforcementMetrics {
  let source: (() => EnforcementSample) | undefined;
  sampledGauge(registry, {
    name: 'segmentation_enforcement_verified',
    help: '1 for the status that the condition EnforcementVerified has: True, False or Unknown; without a canary there is no series.',
    labelNames: ['status'],
    sample: (set) => {
      if (source === undefined) return;
      const { status } = source();
      for (const each of ['True', 'False', 'Unknown']) set({ status: each }, each === status ? 1 : 0);
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_canary_nodes',
    help: 'Nodes whose probes report to the operator; without a canary there is no series.',
    labelNames: [],
    sample: (set) => source && set({}, source().nodes),
  });
  sampledGauge(registry, {
    name: 'segmentation_canary_flows',
    help: 'Flows of all probes of the canary, by verdict: passed and denied (as the policies say), leaked, cut, settling or unproven.',
    labelNames: ['verdict'],
    sample: (set) => {
      for (const [verdict, count] of Object.entries(source?.().flows ?? {})) set({ verdict }, count);
    },
  });
  return {
    enforcement: (sample) => {
      source = sample;
    },
  };
}
