/** A TCP proxy in front of the API server that breaks, silences and cuts connections. */
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

  /** The server's URL through this proxy. */
  get url(): string {
    const address = this.#listener.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `https://127.0.0.1:${address.port}`;
  }

  /** Connections since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Open connections. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Resets every open connection. */
  reset(): void {
    for (const { client } of this.#pairs) client.resetAndDestroy();
  }

  /** Keeps connections open but passes nothing on them any more, as if a node on the path had vanished. */
  silence(): void {
    for (const { client, server } of this.#pairs) {
      client.unpipe(server);
      server.unpipe(client);
      client.resume();
      server.resume();
    }
  }

  /** Resets further connections after so many bytes of answers; undefined stops that. */
  cutAfter(bytes: number | undefined): void {
    this.#cutAfter = bytes;
  }

  /** Closes the proxy. No effect the second time. */
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
