/** Keep-alive connections to one server, direct or through a proxy. All of them are replaced together. */
import { createSecureContext } from 'node:tls';
import { Pool, ProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../util/clock.ts';
import type { Credentials } from './credentials.ts';

/** Idle connections are closed before the API server (90 s) or a load balancer (60 s) closes them. */
const KEEP_ALIVE_MS = 45_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Idle time before the first TCP keep-alive probe, as client-go's. */
const TCP_KEEP_ALIVE_MS = 30_000;

interface OpenPool {
  readonly dispatcher: Dispatcher;
  readonly tlsId: string;
  /** Monotonic milliseconds. */
  readonly openedAt: number;
}

export interface ConnectionsOptions {
  /** Scheme, host and port of the server. */
  readonly origin: string;
  /** URL of a proxy (http, https or socks5); undefined for direct connections. */
  readonly proxy: string | undefined;
  readonly clock: Clock;
}

export class Connections {
  readonly #origin: string;
  readonly #proxy: string | undefined;
  readonly #clock: Clock;
  #pool: OpenPool | undefined;
  /** Pools that finish their requests and get no new ones. */
  readonly #retired = new Set<Dispatcher>();

  constructor({ origin, proxy, clock }: ConnectionsOptions) {
    this.#origin = origin;
    this.#proxy = proxy;
    this.#clock = clock;
  }

  /** The dispatcher for requests with these credentials. A rotated client certificate or CA gets new connections. */
  dispatcherFor(credentials: Credentials): Dispatcher {
    if (this.#pool !== undefined && this.#pool.tlsId !== credentials.tlsId) this.#retire(this.#pool);
    this.#pool ??= {
      dispatcher: this.#open(credentials),
      tlsId: credentials.tlsId,
      openedAt: this.#clock.monotonic(),
    };
    return this.#pool.dispatcher;
  }

  /**
   * Called when a connection was silent for `silentMs`. All connections that are at least as old may be dead too (a
   * node that vanished closes none), and get no new requests. Their requests in flight continue.
   */
  retireSilent(silentMs: number): void {
    if (this.#pool !== undefined && this.#clock.monotonic() - this.#pool.openedAt >= silentMs)
      this.#retire(this.#pool);
  }

  /** Closes all connections; requests in flight fail. */
  async destroy(): Promise<void> {
    if (this.#pool !== undefined) this.#retire(this.#pool);
    await Promise.all([...this.#retired].map((dispatcher) => dispatcher.destroy()));
  }

  #retire({ dispatcher }: OpenPool): void {
    this.#pool = undefined;
    this.#retired.add(dispatcher);
    const forget = () => this.#retired.delete(dispatcher);
    dispatcher.close().then(forget, forget);
  }

  #open(credentials: Credentials): Dispatcher {
    const tls = {
      ...credentials.tls,
      // Shared by all connections: otherwise each would parse the certificates again, and keep them in memory.
      ...(this.#origin.startsWith('https:') && { secureContext: createSecureContext(credentials.tls) }),
      timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    };
    const pool = { allowH2: false, keepAliveTimeout: KEEP_ALIVE_MS, keepAliveMaxTimeout: KEEP_ALIVE_MS };
    // A Pool, as an Agent would look for the pool of the origin at each request.
    if (this.#proxy === undefined) return new Pool(this.#origin, { ...pool, connect: tls });
    return new ProxyAgent({ ...pool, uri: this.#proxy, requestTls: { ...tls, allowH2: false } });
  }
}
