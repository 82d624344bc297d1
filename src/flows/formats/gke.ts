/**
 * GKE: network policy logging of Dataplane V2, as the nodes write it, and as entries of Cloud Logging, which have it in
 * `jsonPayload`. Each record is a connection, as its source opened it. An end is a pod with names, a node or, as an
 * `instance`, an address. Pure.
 */
import { MALFORMED, type ObservedEnd, oneFlow, type Reading, skipped } from '../flow.ts';
import { numberOf, objectOf, portOf, protocolOf, textOf, timeOf } from './fields.ts';
import type { FlowFormat, JsonRecord } from './format.ts';

export const gke: FlowFormat = {
  name: 'gke',
  detects: ({ json }) => {
    const payload = json && payloadOf(json);
    return objectOf(payload?.['connection']) !== undefined && textOf(payload?.['disposition']) !== undefined;
  },
  reader:
    () =>
    ({ json }) =>
      json === undefined ? MALFORMED : read(json),
};

function payloadOf(json: JsonRecord): JsonRecord {
  return objectOf(json['jsonPayload']) ?? json;
}

function read(json: JsonRecord): Reading {
  const payload = payloadOf(json);
  const connection = objectOf(payload['connection']);
  const disposition = textOf(payload['disposition'])?.toLowerCase();
  if (connection === undefined || (disposition !== 'allow' && disposition !== 'deny')) return MALFORMED;
  const protocol = protocolOf(connection['protocol']);
  if (protocol === undefined) return skipped('protocol');
  const port = portOf(connection['dest_port']);
  if (port === undefined) return MALFORMED;
  const sourcePort = portOf(connection['src_port']);
  const direction = textOf(connection['direction'])?.toLowerCase();
  return oneFlow({
    time: timeOf(payload['timestamp'] ?? json['timestamp']),
    source: endOf(objectOf(payload['src']), connection['src_ip']),
    destination: endOf(objectOf(payload['dest']), connection['dest_ip']),
    ...(sourcePort !== undefined && { sourcePort }),
    port,
    protocol,
    verdict: disposition === 'allow' ? 'allowed' : 'denied',
    observedAt: direction === 'egress' ? 'source' : direction === 'ingress' ? 'destination' : 'unknown',
    reply: 'no',
    count: numberOf(payload['count']) ?? 1,
  });
}

function endOf(end: JsonRecord | undefined, address: unknown): ObservedEnd {
  const namespace = textOf(end?.['pod_namespace']) ?? textOf(end?.['namespace']);
  const pod = textOf(end?.['pod_name']);
  const isNode = textOf(end?.['node_name']) !== undefined;
  const name = textOf(end?.['workload_name']);
  const kind = textOf(end?.['workload_kind']);
  const ip = textOf(address);
  return {
    ...(namespace !== undefined && { namespace }),
    ...(pod !== undefined && { pod }),
    ...(name !== undefined && { workload: { name, ...(kind !== undefined && { kind }) } }),
    ...(ip !== undefined && { ip }),
    ...(isNode && { place: 'node' as const }),
  };
}
