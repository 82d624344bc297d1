/**
 * The text format of Prometheus and OpenMetrics, both from one registry of prom-client.
 *
 * prom-client can render OpenMetrics, but switches the registry to it and renames its counters for good, so that the
 * Prometheus format is wrong after the first OpenMetrics scrape; nor does it write floats as OpenMetrics requires.
 */
import type { Registry } from 'prom-client';
import { byName } from '../../../util/order.ts';

export type ExpositionFormat = 'prometheus' | 'openmetrics';

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** OpenMetrics if the Accept header names it and does not prefer plain text. */
export function negotiateFormat(accept: string | undefined): ExpositionFormat {
  let openmetrics = 0;
  let text = 0;
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const parameter = (name: string) =>
      parameters.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
    const quality = Number(parameter('q') ?? 1) || 0;
    const version = parameter('version');
    if (type === 'application/openmetrics-text' && (version === undefined || version === '1.0.0')) {
      openmetrics = Math.max(openmetrics, quality);
    } else if (type === 'text/plain' && (version === undefined || version === '0.0.4')) {
      text = Math.max(text, quality);
    }
  }
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'prometheus';
}

/** All metrics of `registry`, sorted by name. */
export async function render(registry: Registry, format: ExpositionFormat): Promise<string> {
  const families: readonly Family[] = await registry.getMetricsAsJSON();
  const lines: string[] = [];
  for (const family of families.toSorted(byName)) writeFamily(lines, family, format);
  if (format === 'openmetrics') lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

interface Family {
  readonly name: string;
  readonly help: string;
  /** A text; prom-client declares a numeric enum. */
  readonly type: unknown;
  readonly values: readonly Sample[];
}

interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  /** The sample's own name, of a histogram's `_bucket`, `_sum` and `_count`; absent if it is the family's. */
  readonly metricName?: string;
}

function writeFamily(lines: string[], { name, help, type, values }: Family, format: ExpositionFormat): void {
  const open = format === 'openmetrics';
  // OpenMetrics names the family without the suffix that its samples carry.
  const family = open && type === 'counter' ? name.replace(/_total$/, '') : name;
  lines.push(
    `# HELP ${family} ${open ? escapeLabel(help) : escapeHelp(help)}`,
    `# TYPE ${family} ${String(type)}`,
  );
  for (const { value, labels, metricName } of values) {
    const parts: string[] = [];
    let bound: string | undefined;
    for (const [key, label] of Object.entries(labels)) {
      if (label === undefined) continue;
      if (key === 'le') bound = open ? canonicalFloat(label) : String(label);
      else parts.push(`${key}="${escapeLabel(String(label))}"`);
    }
    if (bound !== undefined) parts.push(`le="${bound}"`);
    lines.push(`${metricName ?? name}${parts.length > 0 ? `{${parts.join(',')}}` : ''} ${number(value)}`);
  }
}

/** OpenMetrics 1.0, "Considerations: Canonical Numbers": a bucket's bound has a point or an exponent. */
function canonicalFloat(bound: string | number): string {
  return typeof bound === 'number' && Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function number(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
