/**
 * The target: listens by TCP and UDP on the canary's ports, and answers questions of probes. It knows no secret and needs
 * no permission. Slow or many clients can't exhaust it: a connection has a time limit, and their number is bounded.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { answerTo } from '../model/exchange.ts';

export interface TargetOptions {
  /** The uid of this Pod; empty outside of a cluster. */
  readonly identity: string;
  readonly ports: readonly number[];
  /** Called for an error after the start; such an error loses one client at most. */
  readonly onError: (error: Error) => void;
}

export interface RunningTarget {
  close(): Promise<void>;
}

const CONNECTION_MS = 5000;
const MAX_CONNECTIONS = 256;
/** Longest question, in bytes. */
const MAX_LENGTH = 512;

/** @throws Error of the first port that can't be listened on; then none is open */
export async function startTarget({ identity, ports, onError }: TargetOptions): Promise<RunningTarget> {
  const open: { close(done: () => void): unknown }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(open.map((each) => new Promise<void>((resolve) => each.close(() => resolve()))));
  };
  try {
    for (const port of ports) {
      open.push(await listenByConnection(port, identity, onError));
      open.push(...(await listenByDatagram(port, identity, onError)));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

async function listenByConnection(
  port: number,
  identity: string,
  onError: (error: Error) => void,
): Promise<Server> {
  const server = createServer((socket) => answerConnection(socket, identity));
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(port);
  await once(server, 'listening');
  server.on('error', onError);
  return server;
}

function answerConnection(socket: Socket, identity: string): void {
  let text = '';
  socket.setEncoding('latin1');
  socket.setTimeout(CONNECTION_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (data: string) => {
    text += data;
    if (text.length > MAX_LENGTH) socket.destroy();
    if (!text.includes('\n')) return;
    const answer = answerTo(text, { identity, seenAs: socket.remoteAddress ?? '' });
    if (answer === undefined) socket.destroy();
    else socket.end(answer);
  });
}

/** A socket of each family: an answer leaves by the family of its question. */
async function listenByDatagram(
  port: number,
  identity: string,
  onError: (error: Error) => void,
): Promise<DatagramSocket[]> {
  const open: DatagramSocket[] = [];
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.on('message', (message, { address, port: from }) => {
      const answer = answerTo(message.toString('latin1'), { identity, seenAs: address });
      if (answer !== undefined) socket.send(answer, from, address, () => {});
    });
    try {
      socket.bind(port);
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      // A node without IPv6 has no such address family.
      if ((error as NodeJS.ErrnoException).code === 'EAFNOSUPPORT') continue;
      throw error;
    }
    socket.on('error', onError);
    open.push(socket);
  }
  return open;
}
