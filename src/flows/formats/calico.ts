/**
 * Calico: flow logs as JSON, from Goldmane (its stream and its emitter, and Whisker's), and as fluentd writes them. Calico
 * records connections from the end that opened them, after the translation of Service addresses. Goldmane sums up the pods
 * of a controller, and all addresses outside as one public and one private network. Pure.
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

/** Values of Goldmane's API (goldmane/proto/api.proto), which its stream and its emitter write as numbers from 1. */
const ACTIONS = ['allow', 'deny', 'pass'];
const REPORTERS = ['src', 'dst'];
const TYPES = ['workloadendpoint', 'hostendpoint', 'networkset', 'network'];

/** A value of an enumeration in lower case, by its name or its number. */
function enumOf(value: unknown, names: readonly string[]): string | undefined {
  return typeof value === 'number' ? names[value - 1] : textOf(value)?.toLowerCase();
}

function read(json: JsonRecord): Reading {
  const get = fieldsOf(json);
  const protocol = protocolOf(get('proto', 'protocol'));
  if (protocol === undefined) return get('proto', 'protocol') === undefined ? MALFORMED : skipped('protocol');
  const action = enumOf(get('action'), ACTIONS);
  const reporter = enumOf(get('reporter'), REPORTERS) ?? '';
  if (action === undefined || !ACTIONS.includes(action)) return MALFORMED;
  const port = portOf(get('dest_port'));
  // Calico writes 0 or null if it sums up flows to several ports.
  if (port === undefined) return (get('dest_port') ?? 0) === 0 ? skipped('no-port') : MALFORMED;
  const count = numberOf(get('num_flows')) ?? numberOf(get('num_connections_started')) ?? 1;
  const sourcePort = portOf(get('source_port'));
  const destination = endOf('dest', get);
  const isOnlyService =
    destination.service !== undefined && destination.pod === undefined && destination.ip === undefined;
  const servicePort = portOf(get('dest_service_port_num', 'dest_service_port'));
  return oneFlow({
    time: timeOf(get('end_time', 'start_time')),
    source: endOf('source', get),
    destination,
    ...(sourcePort !== undefined && { sourcePort }),
    // A destination that only its Service names is looked up by the port of the Service.
    port: isOnlyService ? (servicePort ?? port) : port,
    protocol,
    verdict: action === 'deny' ? 'denied' : 'allowed',
    observedAt: OBSERVED_AT[reporter.slice(0, 3)] ?? 'unknown',
    reply: 'no',
    count: Math.max(count, 1),
  });
}

const OBSERVED_AT: Readonly<Record<string, 'source' | 'destination'>> = { src: 'source', dst: 'destination' };
const PODS = new Set(['wep', 'workloadendpoint']);
const HOSTS = new Set(['hep', 'hostendpoint']);
/** Names by which Goldmane and Whisker sum up the addresses outside. */
const NETWORKS: Readonly<Record<string, string>> = {
  pub: 'the public network',
  pvt: 'the private network',
  'PUBLIC NETWORK': 'the public network',
  'PRIVATE NETWORK': 'the private network',
};

function endOf(side: 'source' | 'dest', get: FieldGetter): ObservedEnd {
  const type = enumOf(get(`${side}_type`), TYPES);
  const namespace = textOf(get(`${side}_namespace`));
  // A single pod if the log has it, else all pods of its controller.
  const name = textOf(get(`${side}_name`)) ?? textOf(get(`${side}_name_aggr`));
  const ip = textOf(get(`${side}_ip`));
  const network = name === undefined ? undefined : NETWORKS[name];
  const isPod = type === undefined ? namespace !== undefined && network === undefined : PODS.has(type);
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
    ...(!isPod && !isHost && { place: 'outside' as const }),
    ...(!isPod && name !== undefined && ip === undefined && { summary: network ?? name }),
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
