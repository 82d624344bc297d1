/**
 * Envoy and Istio: access logs of sidecars and gateways, as JSON with Istio's names of the fields, or as text in the
 * default format of Istio or Envoy. A gateway opens a connection of its own to the destination, so that a record of it
 * is two flows. Pure.
 */
import { MALFORMED, type ObservedFlow, type Reading, skipped } from '../flow.ts';
import { numberOf, type SocketAddress, socketAddressOf, textOf, timeOf } from './fields.ts';
import type { FlowFormat, JsonRecord } from './format.ts';

export const envoy: FlowFormat = {
  name: 'envoy',
  detects: ({ json, text }) =>
    json === undefined
      ? START.test(text)
      : 'upstream_host' in json && ('downstream_remote_address' in json || 'upstream_cluster' in json),
  reader:
    () =>
    ({ json, text }) => {
      const record = json ?? recordOf(text);
      return record === undefined ? MALFORMED : read(record);
    },
};

const START = /^\[\d{4}-\d\d-\d\dT[\d:.]+Z?\] "/;

/** The fields of Istio's default text, in order. Envoy's own has neither details nor what follows the upstream host. */
const ISTIO_FIELDS = [
  'start_time',
  'request',
  'response_code',
  'response_flags',
  'response_code_details',
  'connection_termination_details',
  'upstream_transport_failure_reason',
  'bytes_received',
  'bytes_sent',
  'duration',
  'upstream_service_time',
  'x_forwarded_for',
  'user_agent',
  'request_id',
  'authority',
  'upstream_host',
  'upstream_cluster',
  'upstream_local_address',
  'downstream_local_address',
  'downstream_remote_address',
] as const;
const ENVOY_FIELDS = ISTIO_FIELDS.slice(0, 4).concat(ISTIO_FIELDS.slice(7, 16));

function recordOf(text: string): JsonRecord | undefined {
  if (!START.test(text)) return undefined;
  // Words, and texts in quotes, in which a quote is escaped.
  const values = [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word);
  const fields = values.length >= ISTIO_FIELDS.length ? ISTIO_FIELDS : ENVOY_FIELDS;
  if (values.length < fields.length) return undefined;
  return Object.fromEntries(
    fields.map((name, index) => [name, name === 'start_time' ? values[index]?.slice(1, -1) : values[index]]),
  );
}

/** Flags of a response for which no connection to the destination was made: no route, no healthy host, failed connect. */
const FAILED = new Set(['UF', 'UH', 'NR', 'NC', 'UO']);
const DENIED = 'rbac_access_denied';

function read(record: JsonRecord): Reading {
  const time = timeOf(record['start_time']);
  const cluster = textOf(record['upstream_cluster']) ?? '';
  const local = socketAddressOf(record['downstream_local_address']);
  const remote = socketAddressOf(record['downstream_remote_address']);
  const upstream = socketAddressOf(record['upstream_host']);
  const details = `${String(record['response_code_details'])} ${String(record['connection_termination_details'])}`;
  const isDenied = details.includes(DENIED);
  const flags = (textOf(record['response_flags']) ?? '').split(',');
  if (time === undefined || numberOf(record['response_code']) === undefined) return MALFORMED;
  // The sidecar of the destination: it connects to its own pod, which is no flow.
  if (isDenied || cluster.startsWith('inbound')) {
    return local === undefined || remote === undefined
      ? MALFORMED
      : { kind: 'flows', flows: [flowOf(remote, local, { time, isDenied, observedAt: 'destination' })] };
  }
  if (flags.some((flag) => FAILED.has(flag)) || upstream === undefined) return skipped('failed');
  const own = socketAddressOf(record['upstream_local_address']);
  const source = own ?? remote;
  const isGateway = own !== undefined && remote !== undefined && own.ip !== remote.ip;
  const service = serviceOf(cluster);
  const onward = flowOf(source, upstream, { time, isDenied, observedAt: 'source' });
  return {
    kind: 'flows',
    flows: [
      service === undefined ? onward : { ...onward, destination: { ...onward.destination, service } },
      ...(isGateway && local !== undefined
        ? [flowOf(remote, local, { time, isDenied, observedAt: 'destination' })]
        : []),
    ],
  };
}

interface FlowContext {
  readonly time: number;
  readonly isDenied: boolean;
  readonly observedAt: 'source' | 'destination';
}

/** @param source undefined in Envoy's own default text, which does not name the client */
function flowOf(
  source: SocketAddress | undefined,
  { ip, port }: SocketAddress,
  { time, isDenied, observedAt }: FlowContext,
): ObservedFlow {
  return {
    time,
    source: source === undefined ? {} : { ip: source.ip },
    destination: { ip },
    ...(source !== undefined && { sourcePort: source.port }),
    port,
    protocol: 'TCP',
    verdict: isDenied ? 'denied' : 'allowed',
    observedAt,
    reply: 'no',
    count: 1,
  };
}

/** The Service of a cluster such as `outbound|8443||payments.shop-payments.svc.cluster.local`. */
function serviceOf(cluster: string): { namespace: string; name: string } | undefined {
  const host = cluster.split('|')[3] ?? '';
  const [name, namespace, kind] = host.split('.');
  return kind === 'svc' && name && namespace ? { namespace, name } : undefined;
}
