/**
 * Calico: flow logs as JSON, from Goldmane (its stream, and Whisker's), and as fluentd writes them. Calico records
 * connections from the end that opened them, after the translation of Service addresses. Pure.
 */
import type { StringMap } from '../../api/meta.ts';
import { MALFORMED, type ObservedEnd, oneFlow, type Reading, skipped } from '../flow.ts';
import { isRecord } from '../../util/is-record.ts';
import { numberOf, objectOf, portOf, protocolOf, textOf, timeOf } from './fields.ts';
import type { FlowFormat, JsonRecord } from './format.ts';

export const calico: FlowFormat = {
  name: 'calico',
  detects: ({ json }) => {
    if (json === undefined) return false;
    const get = fieldsOf(json);
    return (
      get('reporter') !== undefined &&
      get('action') !== undefined &&
      get('dest_name', 'dest_name_aggr') !== undefined
    );
  },
  reader:
    () =>
    ({ json }) =>
      json === undefined ? MALFORMED : read(json),
};

/** The first of these fields that the record has, under its name in snake_case or camelCase. */
type FieldGetter = (...names: readonly string[]) => unknown;

/** Goldmane has the identity of a flow in `key`, and puts the whole into `flow` in its stream. */
function fieldsOf(json: JsonRecord): FieldGetter {
  const flow = objectOf(json['flow']) ?? json;
  const key = objectOf(flow['key']) ?? objectOf(flow['Key']) ?? flow;
  return (...names) => {
    for (const name of names) {
      const camel = name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
      const value = key[name] ?? key[camel] ?? flow[name] ?? flow[camel];
      if (value !== undefined && value !== null) return value;
    }
    return undefined;
  };
}

function read(json: JsonRecord): Reading {
  const get = fieldsOf(json);
  const protocol = protocolOf(get('proto', 'protocol'));
  if (protocol === undefined) return get('proto', 'protocol') === undefined ? MALFORMED : skipped('protocol');
  const port = portOf(get('dest_port'));
  const action = textOf(get('action'))?.toLowerCase();
  const reporter = textOf(get('reporter'))?.toLowerCase() ?? '';
  if (port === undefined || (action !== 'allow' && action !== 'deny' && action !== 'pass')) return MALFORMED;
  const count = numberOf(get('num_flows')) ?? numberOf(get('num_connections_started')) ?? 1;
  const sourcePort = portOf(get('source_port'));
  return oneFlow({
    time: timeOf(get('end_time', 'start_time')),
    source: endOf('source', get),
    destination: endOf('dest', get),
    ...(sourcePort !== undefined && { sourcePort }),
    port,
    protocol,
    verdict: action === 'deny' ? 'denied' : 'allowed',
    observedAt: reporter.startsWith('src')
      ? 'source'
      : reporter.startsWith('dst')
        ? 'destination'
        : 'unknown',
    reply: 'no',
    count: Math.max(count, 1),
  });
}

const PODS = new Set(['wep', 'workloadendpoint']);
const HOSTS = new Set(['hep', 'hostendpoint']);

function endOf(side: 'source' | 'dest', get: FieldGetter): ObservedEnd {
  const type = textOf(get(`${side}_type`))?.toLowerCase();
  const namespace = textOf(get(`${side}_namespace`));
  // A single pod if the log has it, else all pods of its controller.
  const name = textOf(get(`${side}_name`)) ?? textOf(get(`${side}_name_aggr`));
  const ip = textOf(get(`${side}_ip`));
  const isPod = type === undefined ? namespace !== undefined : PODS.has(type);
  const isHost = type !== undefined && HOSTS.has(type);
  const service = side === 'dest' ? textOf(get('dest_service_name')) : undefined;
  const serviceNamespace = textOf(get('dest_service_namespace'));
  const labels = get(`${side}_labels`);
  return {
    ...(isPod && namespace !== undefined && { namespace }),
    ...(isPod && name !== undefined && { pod: name }),
    ...(isPod && labels !== undefined && { labels: () => labelsOf(labels) }),
    ...(ip !== undefined && { ip }),
    ...(isHost && { place: 'node' as const }),
    ...(!isPod && !isHost && ip !== undefined && { place: 'outside' as const }),
    ...(service !== undefined &&
      serviceNamespace !== undefined && { service: { namespace: serviceNamespace, name: service } }),
  };
}

/** A list of `key=value`, a text of them with ` | ` between, or an object with such a list. */
function labelsOf(value: unknown): StringMap {
  const list = isRecord(value) ? value['labels'] : value;
  const pairs = typeof list === 'string' ? list.split(/ \| |,/) : Array.isArray(list) ? list : [];
  return Object.fromEntries(
    pairs.flatMap((pair: unknown) => {
      const [, key, text = ''] = /^\s*([^=\s]+)=(.*?)\s*$/.exec(typeof pair === 'string' ? pair : '') ?? [];
      return key === undefined ? [] : [[key, text]];
    }),
  );
}
