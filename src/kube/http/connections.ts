/** The kept-alive connections to one server, direct or through a proxy, replaced as a whole where they must be. */
import { createSecureContext } from 'node:tls';
import { Agent, ProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../util/clock.ts';
import type { Credentials } from './credentials.ts';

/** Idle connections are given up before the API server (90 s) or a load balancer (60 s) does so unannounced. */
const KEEP_ALIVE_MS = 45_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** First TCP keep-alive probe, as client-go has it. */
const TCP_KEEP_ALIVE_MS = 30_000;

interface Pool {
  readonly dispatcher: Dispatcher;
  readonly tlsId: string;
  /** Monotonic, milliseconds. */
  readonly since: number;
}

export class Connections {
  readonly #isTls: boolean;
  readonly #proxy: string | undefined;
  readonly #clock: Clock;
  #pool: Pool | undefined;
  /** Pools that only finish what they have begun. */
  readonly #retired = new Set<Dispatcher>();

  /**
   * @param isTls whether the server is spoken to by TLS
   * @param proxy its URL (http, https or socks5); undefined: direct connections
   */
  constructor(isTls: boolean, proxy: string | undefined, clock: Clock) {
    this.#isTls = isTls;
    this.#proxy = proxy;
    this.#clock = clock;
  }

  /** What to send a request by. A rotated client certificate or CA gets new connections. */
  for(credentials: Credentials): Dispatcher {
    if (this.#pool !== undefined && this.#pool.tlsId !== credentials.tlsId) this.#retire(this.#pool);
    this.#pool ??= {
      dispatcher: this.#open(credentials),
      tlsId: credentials.tlsId,
      since: this.#clock.monotonic(),
    };
    return this.#pool.dispatcher;
  }

  /**
   * Nothing came back on one connection for `silence` milliseconds: those opened before may be as dead (a node went away
   * without a word), and none of them is used again. What is under way on them goes on.
   */
  distrust(silence: number): void {
    if (this.#pool !== undefined && this.#clock.monotonic() - this.#pool.since >= silence)
      this.#retire(this.#pool);
  }

  /** Breaks every connection. */
  async destroy(): Promise<void> {
    if (this.#pool !== undefined) this.#retire(this.#pool);
    await Promise.all([...this.#retired].map((dispatcher) => dispatcher.destroy()));
  }

  #retire({ dispatcher }: Pool): void {
    this.#pool = undefined;
    this.#retired.add(dispatcher);
    const forget = () => this.#retired.delete(dispatcher);
    dispatcher.close().then(forget, forget);
  }

  #open(credentials: Credentials): Dispatcher {
    const tls = {
      ...credentials.tls,
      // One for all connections: each would read the certificates anew, and keep them.
      ...(this.#isTls && { secureContext: createSecureContext(credentials.tls) }),
      timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    };
    const pool = { allowH2: false, keepAliveTimeout: KEEP_ALIVE_MS, keepAliveMaxTimeout: KEEP_ALIVE_MS };
    if (this.#proxy === undefined) return new Agent({ ...pool, connect: tls });
    return new ProxyAgent({ ...pool, uri: this.#proxy, requestTls: { ...tls, allowH2: false } });
  }
}
