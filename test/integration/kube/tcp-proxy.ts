/** A TCP proxy between a client and the API server, for what networks do: break, fall silent, cut at any byte. */
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class TcpProxy {
  readonly #target: URL;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #accepted = 0;
  #cutAfter: number | undefined;

  private constructor(target: URL) {
    this.#target = target;
    this.#listener = createServer((client) => this.#accept(client));
  }

  static async start(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(target));
    await new Promise<void>((resolve) => proxy.#listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** The server's URL by way of this proxy. */
  get url(): string {
    const address = this.#listener.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `https://127.0.0.1:${address.port}`;
  }

  /** How many connections were made since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many are open. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Resets every open connection. */
  reset(): void {
    for (const { client } of this.#pairs) client.resetAndDestroy();
  }

  /** Open connections stay open, but nothing passes on them ever again, as when a node on the way went away. */
  silence(): void {
    for (const { client, server } of this.#pairs) {
      client.unpipe(server);
      server.unpipe(client);
      client.resume();
      server.resume();
    }
  }

  /** From now on, connections are reset after so many bytes of answers; undefined: not at all. */
  cutAfter(bytes: number | undefined): void {
    this.#cutAfter = bytes;
  }

  /** Ends it; a second time does nothing. */
  async stop(): Promise<void> {
    if (!this.#listener.listening) return;
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.reset();
    await closed;
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const pair = { client, server };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
    client.pipe(server);
    let left = this.#cutAfter;
    if (left !== undefined) {
      server.on('data', (chunk: Buffer) => {
        if (left === undefined) return;
        client.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) {
          left = undefined;
          client.resetAndDestroy();
        }
      });
    } else server.pipe(client);
  }
}
