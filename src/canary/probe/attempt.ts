/** An attempt of a flow: a new TCP connection, or a few UDP datagrams, with a time limit. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { parseAnswer, question } from '../model/exchange.ts';
import type { Outcome } from '../model/flow-book.ts';
import type { PlannedFlow } from '../model/matrix.ts';

/** How long one attempt may take, in milliseconds: a lost SYN is sent again after one second. */
const ATTEMPT_MS = 2500;
/** A datagram can be lost on the way: so many are sent, at equal distances. */
const DATAGRAMS = 3;

export type Attempt = (
  flow: Pick<PlannedFlow, 'protocol' | 'address' | 'port' | 'family' | 'target'>,
) => Promise<Outcome>;

/** Tries the flow. Never rejects, and leaves nothing open. */
export const attempt: Attempt = (flow) => attemptWithin(flow, ATTEMPT_MS);

/** Like `attempt`, with a time limit in milliseconds. */
export async function attemptWithin(flow: Parameters<Attempt>[0], limitMs: number): Promise<Outcome> {
  const nonce = crypto.randomUUID();
  const identity = flow.target.kind === 'pod' ? flow.target.pod.uid : '';
  const received = await (flow.protocol === 'UDP'
    ? askByDatagram(flow, nonce, limitMs)
    : askByConnection(flow, nonce, limitMs));
  if (received.kind !== 'answer') return received;
  const answer = parseAnswer(received.text, nonce);
  return answer?.identity === identity ? { kind: 'passed', seenAs: answer.seenAs } : { kind: 'stranger' };
}

type Received =
  | Exclude<Outcome, { readonly kind: 'passed' | 'stranger' }>
  | { readonly kind: 'answer'; readonly text: string };

function askByConnection(
  { address, port, family }: Parameters<Attempt>[0],
  nonce: string,
  limitMs: number,
): Promise<Received> {
  return new Promise((resolve) => {
    let text = '';
    let isConnected = false;
    const socket = connect({ host: address, port, family });
    const end = (received: Received) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    const timer = setTimeout(
      () => end(isConnected ? { kind: 'unanswered' } : { kind: 'blocked', how: 'timeout' }),
      limitMs,
    );
    socket.setEncoding('latin1');
    socket.on('connect', () => {
      isConnected = true;
      socket.write(question(nonce));
    });
    socket.on('data', (data: string) => {
      text = (text + data).slice(0, 512);
      if (text.includes('\n')) end({ kind: 'answer', text });
    });
    socket.on('end', () => end({ kind: 'unanswered' }));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(isConnected ? { kind: 'unanswered' } : ofError(error)),
    );
  });
}

function askByDatagram(
  { address, port, family }: Parameters<Attempt>[0],
  nonce: string,
  limitMs: number,
): Promise<Received> {
  return new Promise((resolve) => {
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    const timers: NodeJS.Timeout[] = [];
    let refusal: Received | undefined;
    let hasEnded = false;
    const end = (received: Received) => {
      if (hasEnded) return;
      hasEnded = true;
      for (const timer of timers) clearTimeout(timer);
      socket.close();
      resolve(received);
    };
    socket.on('message', (message) => end({ kind: 'answer', text: message.toString('latin1') }));
    socket.on('error', (error: NodeJS.ErrnoException) => (refusal = ofError(error)));
    const send = () => socket.send(question(nonce), (error) => error && (refusal = ofError(error)));
    socket.connect(port, address, (error?: NodeJS.ErrnoException) => {
      // Node passes the failure of a connect, such as that of a missing route, to the callback.
      if (error instanceof Error) return end(ofError(error));
      for (let sent = 0; sent < DATAGRAMS; sent++)
        timers.push(setTimeout(send, (sent * limitMs) / (DATAGRAMS + 1)));
    });
    // An ICMP error for one datagram does not end the attempt: a later one may pass.
    timers.push(setTimeout(() => end(refusal ?? { kind: 'blocked', how: 'timeout' }), limitMs));
  });
}

/** Errors by which a firewall, or the network before it, refuses a packet. All others are the probe's own. */
const BLOCKED: Readonly<Record<string, 'refused' | 'unreachable' | 'timeout'>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  EHOSTUNREACH: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
  ETIMEDOUT: 'timeout',
};

function ofError({ code = '', message }: NodeJS.ErrnoException): Received {
  const how = BLOCKED[code];
  return how === undefined ? { kind: 'failed', message } : { kind: 'blocked', how };
}
