/**
 * Linux: the table of connections of a node, as `conntrack -L` prints it (also with `-o extended`), and as
 * /proc/net/nf_conntrack has it. An entry has the addresses of the first packet, and those of the answer: behind a
 * Service, the answer's source is the pod. Pure.
 */
import { MALFORMED, oneFlow, type Reading, skipped } from '../flow.ts';
import { portOf, protocolOf } from './fields.ts';
import type { FlowFormat } from './format.ts';

const ENTRY = /^(?:ipv[46]\s+\d+\s+)?(\w+)\s+\d+\s.*?\bsrc=/;
const TUPLE = /\bsrc=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g;

export const conntrack: FlowFormat = {
  name: 'conntrack',
  detects: ({ text }) => ENTRY.test(text),
  reader:
    () =>
    ({ text }) =>
      read(text),
};

function read(text: string): Reading {
  const [, name] = ENTRY.exec(text) ?? [];
  // The summary that conntrack prints in the end.
  if (name === undefined) return text.startsWith('conntrack v') ? skipped('no-flow') : MALFORMED;
  const protocol = protocolOf(name);
  if (protocol === undefined) return skipped('protocol');
  const isUnanswered = text.includes('[UNREPLIED]');
  // Without an answer, a TCP connection was never open. Over UDP it may be one-way.
  if (protocol !== 'UDP' && isUnanswered) return skipped('failed');
  const [first, answer] = [...text.matchAll(TUPLE)];
  const [, source, , sourcePort, originalPort] = first ?? [];
  const [, server, client, serverPort] = answer ?? [];
  const port = portOf(serverPort ?? originalPort);
  if (source === undefined || server === undefined || port === undefined) return MALFORMED;
  const clientPort = portOf(sourcePort);
  return oneFlow({
    time: undefined,
    source: { ip: source },
    destination: { ip: server },
    ...(clientPort !== undefined && { sourcePort: clientPort }),
    port,
    protocol,
    verdict: 'allowed',
    observedAt: 'unknown',
    // A late answer whose entry has expired makes an entry of its own, in the wrong direction.
    reply: isUnanswered ? 'unknown' : 'no',
    count: 1,
    ...(client !== undefined && client !== source && { translatedSource: client }),
  });
}
