/**
 * AWS: VPC flow logs as text, version 2 to 5. A file begins with the names of its fields, as in S3, or has the default
 * fields of version 2. `pkt-srcaddr` and `pkt-dstaddr` are the pods' own addresses where they differ from those of the
 * network interface. Pure.
 */
import { MALFORMED, oneFlow, type Reading, skipped } from '../flow.ts';
import { numberOf, portOf, protocolOf, textOf, timeOf } from './fields.ts';
import type { FlowFormat } from './format.ts';

const DEFAULT_FIELDS = [
  'version',
  'account-id',
  'interface-id',
  'srcaddr',
  'dstaddr',
  'srcport',
  'dstport',
  'protocol',
  'packets',
  'bytes',
  'start',
  'end',
  'action',
  'log-status',
] as const;

/** Bits of `tcp-flags`: all flags of the packets of a record. */
const SYN = 2;
const SYN_ACK = 18;

export const vpc: FlowFormat = {
  name: 'vpc',
  detects: ({ text }) => isHeader(text) || /^2 (\d{12}|unknown) \S+ \S+ \S+ (\d+|-) (\d+|-) /.test(text),
  reader: () => {
    let fields: readonly string[] = DEFAULT_FIELDS;
    return ({ text }) => {
      if (isHeader(text)) {
        fields = text.trim().split(/\s+/);
        return { kind: 'header' };
      }
      return read(text, fields);
    };
  },
};

function isHeader(text: string): boolean {
  return /(^|\s)(pkt-)?srcaddr(\s|$)/.test(text) && /(^|\s)dstport(\s|$)/.test(text);
}

function read(text: string, fields: readonly string[]): Reading {
  const values = text.trim().split(/\s+/);
  if (values.length !== fields.length) return MALFORMED;
  const get = (name: string) => textOf(values[fields.indexOf(name)]);
  // A period without traffic, or one for which AWS lost records.
  if (get('log-status') === 'NODATA' || get('log-status') === 'SKIPDATA') return skipped('no-flow');
  const [source, destination] = [get('pkt-srcaddr') ?? get('srcaddr'), get('pkt-dstaddr') ?? get('dstaddr')];
  const action = get('action') ?? 'ACCEPT';
  if (source === undefined || destination === undefined || get('protocol') === undefined) return MALFORMED;
  const protocol = protocolOf(get('protocol'));
  if (protocol === undefined) return skipped('protocol');
  const [sourcePort, port] = [portOf(get('srcport')), portOf(get('dstport'))];
  if (port === undefined || (action !== 'ACCEPT' && action !== 'REJECT')) return MALFORMED;
  const direction = get('flow-direction');
  return oneFlow({
    time: timeOf(get('end') ?? get('start')),
    source: { ip: source },
    destination: { ip: destination },
    ...(sourcePort !== undefined && { sourcePort }),
    port,
    protocol,
    verdict: action === 'ACCEPT' ? 'allowed' : 'denied',
    observedAt: direction === 'egress' ? 'source' : direction === 'ingress' ? 'destination' : 'unknown',
    reply: replyOf(numberOf(get('tcp-flags'))),
    count: 1,
  });
}

/** The side that sent SYN opened the connection, and the side that sent SYN and ACK answers. */
function replyOf(flags: number | undefined): 'yes' | 'no' | 'unknown' {
  if (flags === undefined || (flags & SYN) === 0) return 'unknown';
  return (flags & SYN_ACK) === SYN_ACK ? 'yes' : 'no';
}
