/** A strict parser of Prometheus' text formats, as far as this project writes them. */
import assert from 'node:assert/strict';
import type { ExpositionFormat } from '../../../src/observability/metrics/format/exposition.ts';

export interface Exposition {
  readonly families: ReadonlyMap<string, { readonly help: string; readonly type: string }>;
  readonly series: ReadonlyMap<string, number>;
  /** The value of a series, which is named as in the exposition. */
  readonly value: (series: string) => number | undefined;
}

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  gauge: [''],
  counter: [''],
};

/** @throws AssertionError on anything that the format does not allow */
export function parseExposition(text: string, format: ExpositionFormat = 'prometheus'): Exposition {
  const families = new Map<string, { help: string; type: string }>();
  const series = new Map<string, number>();
  assert.ok(text.endsWith('\n'));
  const lines = text.slice(0, -1).split('\n');
  if (format === 'openmetrics') assert.equal(lines.pop(), '# EOF');
  let current = '';
  for (const line of lines) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment) {
      const [, kind, name = '', rest = ''] = comment;
      if (kind === 'HELP') {
        assert.ok(!families.has(name), `${name} comes twice`);
        families.set(name, { help: rest, type: '' });
      } else {
        assert.equal(current, name, 'TYPE follows the HELP of the same family');
        families.get(name)!.type = rest;
      }
      current = name;
      continue;
    }
    const sample =
      /^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)*\})? ([-+]?(?:[\d.]+(?:e[-+]?\d+)?|Inf)|NaN)$/i.exec(
        line,
      );
    assert.ok(sample, `not a sample: ${line}`);
    const [, name = '', labels = '', value = ''] = sample;
    const { type = '' } = families.get(current) ?? {};
    const suffixes = format === 'openmetrics' && type === 'counter' ? ['_total'] : (SUFFIXES[type] ?? []);
    assert.ok(
      suffixes.some((suffix) => name === current + suffix),
      `${name} is not of ${current} (${type})`,
    );
    assert.ok(!series.has(name + labels), `${name}${labels} comes twice`);
    series.set(name + labels, Number(value.replace('Inf', 'Infinity')));
  }
  return { families, series, value: (key) => series.get(key) };
}
