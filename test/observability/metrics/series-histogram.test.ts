import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Histogram } from 'prom-client';
import { SeriesHistogram } from '../../../src/observability/metrics/series-histogram.ts';

describe('a histogram of series', () => {
  it("has the samples of prom-client's own histogram", async () => {
    const options = { name: 'x_seconds', help: 'X.', labelNames: ['verb'] as const, registers: [] };
    const observation = fc.record({
      verb: fc.constantFrom('GET', 'POST'),
      value: fc.oneof(fc.constantFrom(0, 0.001, 0.5, 1, 30), fc.double({ min: 0, max: 60, noNaN: true })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(observation, { minLength: 1, maxLength: 40 }), async (observations) => {
        const buckets = [0.001, 0.5, 1, 30];
        const expected = new Histogram({ ...options, labelNames: [...options.labelNames], buckets });
        const histogram = new SeriesHistogram({ ...options, labelNames: [...options.labelNames], buckets });
        const series = new Map<string, (value: number) => void>();
        for (const { verb, value } of observations) {
          expected.observe({ verb }, value);
          if (!series.has(verb)) series.set(verb, histogram.series({ verb }));
          series.get(verb)?.(value);
        }
        assert.deepEqual(samplesOf(await histogram.get()), samplesOf(await expected.get()));
      }),
      { numRuns: 100 },
    );
  });
});

/** The samples by name and labels. */
function samplesOf({ values }: Awaited<ReturnType<Histogram<'verb' | 'le'>['get']>>): Map<string, number> {
  return new Map(
    values.map(({ metricName, labels, value }) => [
      JSON.stringify({ metricName, le: labels.le, verb: labels.verb }),
      value,
    ]),
  );
}
