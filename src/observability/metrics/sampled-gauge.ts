/** Gauges whose series are computed at each scrape. */
import { Gauge, type Registry } from 'prom-client';

export interface SampledGauge<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly L[];
  /** Calls `set` for each series; series of earlier scrapes are removed. */
  readonly sample: (set: (labels: Readonly<Record<L, string>>, value: number) => void) => void;
}

export function sampledGauge<L extends string>(registry: Registry, options: SampledGauge<L>): void {
  const { name, help, labelNames, sample } = options;
  const gauge: Gauge<L> = new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      gauge.reset();
      sample((labels, value) => gauge.set(labels, value));
    },
  });
}
