/**
 * Hubble: JSON lines of `hubble observe -o json` and of Hubble's exporter. The fields are those of Cilium's
 * `flow.proto`, each flow in an object `flow` or, by old versions, without it. Pure.
 */
import type { StringMap } from '../../api/meta.ts';
import type { Protocol } from '../../api/network-policy.ts';
import { MALFORMED, type ObservedEnd, oneFlow, type Reading, skipped } from '../flow.ts';
import { objectOf, portOf, textOf, timeOf } from './fields.ts';
import type { FlowFormat, JsonRecord } from './format.ts';

/** Other events than flows in the same stream. */
const OTHER_EVENTS = ['lost_events', 'node_status', 'agent_event', 'debug_event'];

/** Reasons of drops that are decisions of policies. Others are errors, or connections that ended. */
const POLICY_DROPS = new Set(['POLICY_DENIED', 'POLICY_DENY', 'AUTH_REQUIRED']);

export const hubble: FlowFormat = {
  name: 'hubble',
  detects: ({ json }) =>
    json !== undefined && (flowOf(json) !== undefined || OTHER_EVENTS.some((each) => each in json)),
  reader:
    () =>
    ({ json }) =>
      json === undefined ? MALFORMED : read(json),
};

function flowOf(json: JsonRecord): JsonRecord | undefined {
  const flow = objectOf(json['flow']) ?? json;
  const isFlow =
    textOf(flow['verdict']) !== undefined && ('l4' in flow || 'IP' in flow || 'traffic_direction' in flow);
  return isFlow ? flow : undefined;
}

function read(json: JsonRecord): Reading {
  const flow = flowOf(json);
  if (flow === undefined) return OTHER_EVENTS.some((each) => each in json) ? skipped('no-flow') : MALFORMED;
  const verdict = verdictOf(flow);
  if (typeof verdict !== 'string') return verdict;
  const l4 = objectOf(flow['l4']);
  // A record without a transport protocol is an event of a socket or an agent.
  if (l4 === undefined) return skipped('no-flow');
  const [protocol, ports] = transportOf(l4);
  if (protocol === undefined || ports === undefined) return skipped('protocol');
  const port = portOf(ports['destination_port']);
  if (port === undefined) return MALFORMED;
  const sourcePort = portOf(ports['source_port']);
  const addresses = objectOf(flow['IP']);
  const node = textOf(flow['node_name']) ?? textOf(json['node_name']);
  const direction = flow['traffic_direction'];
  return oneFlow({
    time: timeOf(flow['time'] ?? json['time']),
    source: endOf(objectOf(flow['source']), addresses?.['source'], { node, service: flow['source_service'] }),
    destination: endOf(objectOf(flow['destination']), addresses?.['destination'], {
      node,
      service: flow['destination_service'],
    }),
    ...(sourcePort !== undefined && { sourcePort }),
    port,
    protocol,
    verdict,
    observedAt: direction === 'EGRESS' ? 'source' : direction === 'INGRESS' ? 'destination' : 'unknown',
    // Old versions have `reply`, which is absent where it would be false.
    reply: replyOf(flow['is_reply'] ?? (flow['reply'] === true ? true : undefined), verdict),
    count: 1,
  });
}

function verdictOf(flow: JsonRecord): 'allowed' | 'denied' | Reading {
  const isProxied = flow['Type'] === 'L7';
  switch (flow['verdict']) {
    case 'FORWARDED':
    case 'REDIRECTED':
    // The datapath let it pass, as it only audits policies.
    case 'AUDIT':
      // The connection below the request has a record of its own.
      return isProxied ? skipped('repeated') : 'allowed';
    case 'DROPPED':
      // The proxy gives no reason.
      if (isProxied || POLICY_DROPS.has(textOf(flow['drop_reason_desc']) ?? '')) return 'denied';
      return skipped('failed');
    case 'TRACED':
    case 'TRANSLATED':
      return skipped('repeated');
    case 'ERROR':
      return skipped('failed');
    default:
      return skipped('no-flow');
  }
}

function transportOf(l4: JsonRecord): [Protocol | undefined, JsonRecord | undefined] {
  for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
    const ports = objectOf(l4[protocol]);
    if (ports !== undefined) return [protocol, ports];
  }
  return [undefined, undefined];
}

/** `is_reply` is null if the datapath does not know. A dropped packet is the first one of its connection. */
function replyOf(value: unknown, verdict: 'allowed' | 'denied'): 'yes' | 'no' | 'unknown' {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return verdict === 'denied' ? 'no' : 'unknown';
}

interface EndContext {
  readonly node: string | undefined;
  readonly service: unknown;
}

function endOf(end: JsonRecord | undefined, address: unknown, { node, service }: EndContext): ObservedEnd {
  const namespace = textOf(end?.['namespace']);
  const pod = textOf(end?.['pod_name']);
  const [workload] = Array.isArray(end?.['workloads']) ? (end['workloads'] as unknown[]) : [];
  const kind = textOf(objectOf(workload)?.['kind']);
  const name = textOf(objectOf(workload)?.['name']);
  const labels = Array.isArray(end?.['labels']) ? (end['labels'] as unknown[]) : [];
  const ip = textOf(address);
  const through = objectOf(service);
  const [serviceNamespace, serviceName] = [textOf(through?.['namespace']), textOf(through?.['name'])];
  const place = pod === undefined ? placeOf(labels) : undefined;
  // The node that recorded the flow is the host of the flow; another node is only known by its address.
  const isRecorder = place === 'node' && labels.includes('reserved:host');
  return {
    ...(namespace !== undefined && { namespace }),
    ...(pod !== undefined && { pod }),
    ...(name !== undefined && { workload: { name, ...(kind !== undefined && { kind }) } }),
    ...(labels.length > 0 && { labels: () => labelsOf(labels) }),
    ...(ip !== undefined && { ip }),
    ...(place !== undefined && { place }),
    ...(isRecorder && node !== undefined && { node: node.slice(node.lastIndexOf('/') + 1) }),
    ...(serviceNamespace !== undefined &&
      serviceName !== undefined && { service: { namespace: serviceNamespace, name: serviceName } }),
  };
}

const NODES = ['reserved:host', 'reserved:remote-node', 'reserved:kube-apiserver', 'reserved:health'];

function placeOf(labels: readonly unknown[]): 'node' | 'outside' | undefined {
  // An API server outside of the cluster is `kube-apiserver` and `world`.
  if (labels.some((label) => typeof label === 'string' && label.startsWith('reserved:world')))
    return 'outside';
  return NODES.some((label) => labels.includes(label)) ? 'node' : undefined;
}

/** Labels of pods, without the source that Cilium puts before each of them, and without Cilium's own. */
function labelsOf(labels: readonly unknown[]): StringMap {
  const result: Record<string, string> = {};
  for (const label of labels) {
    const [, key, value = ''] = /^k8s:([^=]+)=?(.*)$/.exec(typeof label === 'string' ? label : '') ?? [];
    if (key !== undefined && !key.startsWith('io.cilium.') && !key.startsWith('io.kubernetes.pod.'))
      result[key] = value;
  }
  return result;
}
