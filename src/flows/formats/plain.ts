/**
 * The format for everything else: JSON lines, or CSV whose first line has the names of the fields. docs/flows.md
 * describes it. Pure.
 */
import { MALFORMED, type ObservedEnd, oneFlow, type Reading, skipped } from '../flow.ts';
import { numberOf, objectOf, portOf, protocolOf, textOf, timeOf } from './fields.ts';
import type { FlowFormat, JsonRecord, LogLine } from './format.ts';

export const json: FlowFormat = {
  name: 'json',
  detects: ({ json }) => json !== undefined && 'port' in json && hasEnd(Object.keys(json)),
  reader:
    () =>
    ({ json }) =>
      json === undefined ? MALFORMED : read(json),
};

export const csv: FlowFormat = {
  name: 'csv',
  detects: ({ text }) => isHeader(text),
  reader: () => {
    let fields: readonly string[] | undefined;
    return ({ text }: LogLine) => {
      const values = cellsOf(text);
      if (fields === undefined) {
        if (!isHeader(text)) return MALFORMED;
        fields = values;
        return { kind: 'header' };
      }
      if (values.length !== fields.length) return MALFORMED;
      return read(Object.fromEntries(fields.map((name, index) => [name, values[index] ?? ''])));
    };
  },
};

function isHeader(text: string): boolean {
  const names = cellsOf(text);
  return names.includes('port') && hasEnd(names);
}

function hasEnd(names: readonly string[]): boolean {
  return names.some((name) => /^(source|destination)_(ip|pod|workload)$/.test(name));
}

/** The cells of a line of CSV (RFC 4180, without line breaks in cells). */
function cellsOf(text: string): string[] {
  if (!text.includes('"')) return text.split(',').map((cell) => cell.trim());
  return [...text.matchAll(/(?:^|,)\s*(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain.trim(),
  );
}

function read(record: JsonRecord): Reading {
  const given = textOf(record['protocol']) ?? 'TCP';
  const protocol = protocolOf(given);
  if (protocol === undefined) return skipped('protocol');
  const port = portOf(record['port']);
  const verdict = textOf(record['verdict'])?.toLowerCase() ?? 'allowed';
  const [source, destination] = [endOf(record, 'source'), endOf(record, 'destination')];
  if (port === undefined || (verdict !== 'allowed' && verdict !== 'denied')) return MALFORMED;
  if (Object.keys(source).length === 0 || Object.keys(destination).length === 0) return MALFORMED;
  const sourcePort = portOf(record['source_port']);
  return oneFlow({
    time: timeOf(record['time']),
    source,
    destination,
    ...(sourcePort !== undefined && { sourcePort }),
    port,
    protocol,
    verdict,
    observedAt: 'unknown',
    reply: 'no',
    count: Math.max(numberOf(record['count']) ?? 1, 1),
  });
}

function endOf(record: JsonRecord, side: 'source' | 'destination'): ObservedEnd {
  const get = (name: string) => textOf(record[`${side}_${name}`]);
  const [namespace, pod, workload, ip] = [get('namespace'), get('pod'), get('workload'), get('ip')];
  const [kind, name] = workload?.includes('/') ? workload.split('/', 2) : [undefined, workload];
  const labels = objectOf(record[`${side}_labels`]);
  return {
    ...(namespace !== undefined && { namespace }),
    ...(pod !== undefined && { pod }),
    ...(name !== undefined && { workload: { name, ...(kind !== undefined && { kind }) } }),
    ...(labels !== undefined && {
      labels: () => Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)])),
    }),
    ...(ip !== undefined && { ip }),
  };
}
