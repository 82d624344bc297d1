/**
 * Histograms that are observed for each request or reconcile. prom-client's own `observe` checks and joins the labels and
 * looks up the bucket by its bound as text, each time. Here a series is looked up once, and an observation is two additions.
 */
import { Histogram, type HistogramConfiguration, type LabelValues } from 'prom-client';

export type Observe = (value: number) => void;

interface Series<L extends string> {
  readonly labels: LabelValues<L>;
  /** Observations by bucket, not cumulated; the last bucket has those above all bounds. */
  readonly counts: number[];
  sum: number;
}

export class SeriesHistogram<L extends string> extends Histogram<L> {
  readonly #name: string;
  readonly #bounds: readonly number[];
  readonly #series: Series<L>[] = [];

  constructor(options: HistogramConfiguration<L> & { readonly buckets: number[] }) {
    super(options);
    this.#name = options.name;
    this.#bounds = options.buckets;
  }

  /** Creates the series with these labels, which begins at 0. Call it once for the same labels. */
  series(labels: LabelValues<L>): Observe {
    const bounds = this.#bounds;
    const series: Series<L> = { labels, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 };
    this.#series.push(series);
    return (value) => {
      let bucket = 0;
      while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
      series.counts[bucket] = (series.counts[bucket] as number) + 1;
      series.sum += value;
    };
  }

  override async get(): ReturnType<Histogram<L>['get']> {
    const values = this.#series.flatMap((series) => this.#samplesOf(series));
    return { ...(await super.get()), values };
  }

  #samplesOf({ labels, counts, sum }: Series<L>) {
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((le, index) => {
      count += counts[index] ?? 0;
      return { metricName: `${this.#name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${this.#name}_sum`, labels, value: sum },
      { metricName: `${this.#name}_count`, labels, value: count },
    ];
  }
}
