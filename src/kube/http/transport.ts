/**
 * HTTP to the API server: keep-alive connections, TLS and authentication from the kubeconfig, a deadline for every
 * request. Every failure is an ApiError. A request is repeated only after a 401, once, with renewed credentials.
 *
 * It uses HTTP/1.1, which is as fast as HTTP/2 here: a broken connection fails one request, not all of them.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { systemClock } from '../../util/clock.ts';
import type { Clock } from '../../util/clock.ts';
import type { ClusterConfig } from '../config/cluster-config.ts';
import { Connections } from './connections.ts';
import { CredentialSource } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { Deadline } from './deadline.ts';
import { ApiError, errorOfResponse } from '../errors.ts';
import type { LocalReason, RequestName } from '../errors.ts';
import { LineSplitter, LineTooLongError } from './lines.ts';
import { proxyFor } from './proxy.ts';
import { roundTrip } from './round-trip.ts';
import { describeFailure, malformed, parseJson, pathAndQuery, warningTexts } from './wire.ts';
import type { Query } from './wire.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Request {
  readonly method: Method;
  /** Absolute path with encoded segments. It is appended to the path of the server's URL. */
  readonly path: string;
  readonly query?: Query | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default application/json. */
  readonly contentType?: string | undefined;
  /** Default application/json; another type must be JSON too. */
  readonly accept?: string | undefined;
  /** Deadline for the complete answer, milliseconds from the call; default 30 000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called just before the request is written to a connection: obtaining credentials and connections may take seconds.
   * An error that it throws fails the request, and nothing is sent.
   */
  readonly guard?: (() => void) | undefined;
  readonly parse?: Parse | undefined;
  /** Called with the texts of the answer's warnings, in their order; also if there is none. */
  readonly onWarnings?: ((warnings: readonly string[]) => void) | undefined;
}

/** Replacement of JSON.parse, for callers that know most of the text beforehand. @throws SyntaxError */
export type Parse = (text: string) => unknown;

export interface WatchRequest {
  readonly path: string;
  readonly query?: Query | undefined;
  readonly signal: AbortSignal;
  /** Longest silence before and within the answer, milliseconds. */
  readonly stallMs: number;
  /** Called when the server begins to answer, which may be long before the first value. Must not throw. */
  readonly onOpen?: (() => void) | undefined;
  /** Called with each line before it is parsed. True if the line needs no parsing, and makes no value. */
  readonly peek?: ((line: string) => boolean) | undefined;
  readonly parse?: Parse | undefined;
}

export interface Transport {
  /** Returns the parsed JSON of a successful answer. @throws ApiError */
  request<T>(request: Request): Promise<T>;
  /**
   * Yields the values of a newline-delimited JSON answer as they come, until the server ends it.
   *
   * @throws ApiError of reason Stalled after `stallMs` without a byte; Malformed for a line that is no JSON, longer than
   *   16 MiB or incomplete; Transport if the connection breaks
   */
  watch(request: WatchRequest): AsyncIterable<unknown>;
  /** Ends open requests and watches with an error of reason Aborted. */
  close(): Promise<void>;
}

export interface RequestInfo {
  /** The HTTP method, or WATCH. */
  readonly verb: Method | 'WATCH';
  readonly host: string;
  /** The HTTP status; '<error>' without an answer, as in client-go's rest_client metrics. */
  readonly status: number | '<error>';
  /** Milliseconds until the complete answer; for a watch, until its headers. */
  readonly durationMs: number;
  /** Sizes of the bodies; undefined without one, and for a stream. */
  readonly requestBytes: number | undefined;
  readonly responseBytes: number | undefined;
  readonly path: string;
}

export interface TransportOptions {
  readonly userAgent: string;
  readonly clock?: Clock;
  /** Deadline of a request that sets none, milliseconds. */
  readonly timeoutMs?: number;
  /** Called for every HTTP exchange, repeated ones included. Must not throw. */
  readonly onRequest?: (info: RequestInfo) => void;
  /** Environment variables, for HTTPS_PROXY and the like; process.env by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** Longest line of a watch, bytes: etcd limits objects to 1.5 MiB, aggregated API servers may have higher limits. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** Bytes of a watch between two yields to the event loop, which a streamed list could block for a second. */
const BYTES_PER_TURN = 128 * 1024;

export function createTransport(config: ClusterConfig, options: TransportOptions): Transport {
  return new HttpTransport(config, options);
}

class HttpTransport implements Transport {
  readonly #origin: string;
  readonly #host: string;
  /** Path of the server's URL, such as that of a management proxy (https://rancher/k8s/clusters/c-1). */
  readonly #prefix: string;
  readonly #connections: Connections;
  readonly #userAgent: string;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #onRequest: ((info: RequestInfo) => void) | undefined;
  readonly #credentials: CredentialSource;
  readonly #closing = new AbortController();

  constructor(config: ClusterConfig, options: TransportOptions) {
    const url = new URL(config.server);
    this.#origin = url.origin;
    this.#host = url.host;
    this.#prefix = url.pathname.replace(/\/+$/, '');
    this.#userAgent = options.userAgent;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#clock = options.clock ?? systemClock;
    this.#onRequest = options.onRequest;
    this.#connections = new Connections({
      isTls: url.protocol === 'https:',
      proxy: config.proxyUrl ?? proxyFor(url, options.env ?? process.env),
      clock: this.#clock,
    });
    this.#credentials = new CredentialSource(config, this.#clock);
  }

  async request<T>(request: Request): Promise<T> {
    const { method, path, signal, timeoutMs = this.#timeoutMs } = request;
    const deadline = new Deadline(this.#clock, timeoutMs, [signal, this.#closing.signal]);
    const body = request.body === undefined ? null : JSON.stringify(request.body);
    const headers = ['accept', request.accept ?? 'application/json'];
    if (body !== null) headers.push('content-type', request.contentType ?? 'application/json');
    const name = { method, path };
    const target = pathAndQuery(path, request.query);
    const { guard, onWarnings } = request;
    const exchange = { name, verb: method, target, headers, body, deadline, guard, onWarnings };
    try {
      const text = await this.#authorised(exchange, (credentials) => this.#exchange(exchange, credentials));
      return parseJson(name, text, request.parse) as T;
    } catch (error) {
      throw this.#failure(name, error, deadline);
    } finally {
      deadline.clear();
    }
  }

  async *watch(request: WatchRequest): AsyncGenerator<unknown, void, undefined> {
    const { path, signal, stallMs, peek, parse } = request;
    const deadline = new Deadline(this.#clock, stallMs, [signal, this.#closing.signal], 'Stalled');
    const headers = ['accept', 'application/json'];
    const name = { method: 'WATCH', path } as const;
    const target = pathAndQuery(path, request.query);
    const exchange = { name, verb: name.method, target, headers, body: null, deadline };
    try {
      const stream = await this.#authorised(exchange, (credentials) => this.#open(exchange, credentials));
      request.onOpen?.();
      const lines = new LineSplitter(MAX_LINE_BYTES);
      let bytesSinceTurn = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        deadline.extend();
        for (const line of lines.push(chunk)) if (peek?.(line) !== true) yield parseJson(name, line, parse);
        bytesSinceTurn += chunk.length;
        if (bytesSinceTurn < BYTES_PER_TURN) continue;
        bytesSinceTurn = 0;
        await nextTurn();
      }
      if (lines.pending > 0) throw malformed(name, 'the stream ended within a line');
    } catch (error) {
      throw this.#failure(name, error, deadline);
    } finally {
      deadline.clear();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connections.destroy();
  }

  /** Runs `attempt`; after a 401, runs it once more if there are other credentials. */
  async #authorised<R>(exchange: Exchange, attempt: (credentials: Credentials) => Promise<R>): Promise<R> {
    const { deadline } = exchange;
    if (deadline.aborted) throw new Error('aborted before it began');
    const credentials = this.#credentials.cached() ?? (await this.#obtain(exchange, this.#credentials.get()));
    try {
      return await attempt(credentials);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401 || deadline.aborted) throw error;
      const renewed = await this.#obtain(exchange, this.#credentials.replace(credentials));
      if (renewed === credentials) throw error;
      return attempt(renewed);
    }
  }

  async #obtain(exchange: Exchange, pending: Promise<Credentials>): Promise<Credentials> {
    try {
      return await exchange.deadline.race(pending);
    } catch (error) {
      if (exchange.deadline.aborted) throw error;
      const message = describeFailure(error);
      throw new ApiError({ ...exchange.name, status: 0, reason: 'Credentials', message, cause: error });
    }
  }

  async #exchange(exchange: Exchange, credentials: Credentials): Promise<string> {
    const started = this.#clock.monotonic();
    let status: number | '<error>' = '<error>';
    let responseBytes: number | undefined;
    try {
      const connections = this.#connections.dispatcherFor(credentials);
      const pending = roundTrip(connections, this.#options(exchange, credentials), exchange.guard);
      exchange.deadline.onAbort(() => pending.abort());
      const { text, retryAfter, warnings, bytes, ...answer } = await pending.answer;
      responseBytes = bytes;
      status = answer.status;
      if (status < 200 || status > 299) throw this.#refusal(exchange, status, text, retryAfter);
      exchange.onWarnings?.(warningTexts(warnings));
      return text;
    } finally {
      this.#report(exchange, status, started, responseBytes);
    }
  }

  /** Resolves with the body of a successful answer as soon as its headers have come. */
  async #open(exchange: Exchange, credentials: Credentials): Promise<Dispatcher.ResponseData['body']> {
    const started = this.#clock.monotonic();
    let status: number | '<error>' = '<error>';
    try {
      const response = await this.#connections.dispatcherFor(credentials).request({
        ...this.#options(exchange, credentials),
        signal: exchange.deadline.signal,
      });
      status = response.statusCode;
      if (status < 200 || status > 299) {
        const retryAfter = response.headers['retry-after'];
        const header = Array.isArray(retryAfter) ? retryAfter[0] : retryAfter;
        throw this.#refusal(exchange, status, await response.body.text(), header);
      }
      exchange.deadline.extend();
      return response.body;
    } finally {
      this.#report(exchange, status, started);
    }
  }

  #options(exchange: Exchange, credentials: Credentials): Dispatcher.RequestOptions {
    const { verb, target, headers, body } = exchange;
    return {
      origin: this.#origin,
      path: this.#prefix + target,
      method: verb === 'WATCH' ? 'GET' : verb,
      headers: [...headers, 'user-agent', this.#userAgent, ...credentials.headers],
      body,
      // `Deadline` limits the time instead, on the injected clock.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
  }

  #refusal(exchange: Exchange, status: number, text: string, retryAfter: string | undefined): ApiError {
    return errorOfResponse(exchange.name, { status, body: text, retryAfter }, this.#clock.now());
  }

  #report(exchange: Exchange, status: number | '<error>', started: number, responseBytes?: number): void {
    if (this.#onRequest === undefined) return;
    const { verb, body, name } = exchange;
    const durationMs = this.#clock.monotonic() - started;
    const requestBytes = body === null ? undefined : Buffer.byteLength(body);
    const { path } = name;
    this.#onRequest({ verb, host: this.#host, status, durationMs, requestBytes, responseBytes, path });
  }

  #failure({ method, path }: RequestName, error: unknown, deadline: Deadline): ApiError {
    const local = (reason: LocalReason, message: string) =>
      new ApiError({ method, path, status: 0, reason, message, cause: error });
    if (deadline.expired !== undefined) {
      this.#connections.retireSilent(deadline.milliseconds);
      const silent = deadline.expired === 'Stalled' ? 'nothing was received' : 'no complete answer came';
      return local(deadline.expired, `${silent} within ${deadline.milliseconds} ms`);
    }
    if (deadline.aborted) return local('Aborted', 'given up');
    if (error instanceof ApiError) return error;
    if (error instanceof LineTooLongError) return malformed({ method, path }, error.message, error);
    return local('Transport', describeFailure(error));
  }
}

interface Exchange {
  readonly name: RequestName;
  readonly verb: Method | 'WATCH';
  /** Path with query. */
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: string | null;
  readonly deadline: Deadline;
  readonly guard?: Request['guard'];
  readonly onWarnings?: Request['onWarnings'];
}
