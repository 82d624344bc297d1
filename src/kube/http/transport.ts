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
import type { BinaryFormat, ReadObject } from './binary-format.ts';
import { Connections } from './connections.ts';
import { CredentialSource } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { Deadline } from './deadline.ts';
import { ApiError, errorOfResponse } from '../errors.ts';
import type { LocalReason, RequestName } from '../errors.ts';
import { acceptOf, bodyOf, contentOf, isBinary, valueOf } from './bodies.ts';
import { proxyFor } from './proxy.ts';
import { type Answer, headerText, roundTrip } from './round-trip.ts';
import { EventReader } from './stream/event-reader.ts';
import { FrameTooLongError } from './stream/frames.ts';
import { LineTooLongError } from './stream/lines.ts';
import { describeFailure, malformed, pathAndQuery, warningTexts } from './wire.ts';
import type { Query } from './wire.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Request {
  readonly method: Method;
  /** Absolute path with encoded segments. It is appended to the path of the server's URL. */
  readonly path: string;
  readonly query?: Query | undefined;
  readonly body?: object | undefined;
  /** A type of JSON in which the body is sent. Without it, the body is an object in the format of the transport. */
  readonly contentType?: string | undefined;
  /** Parameters of the media types that are accepted, such as `;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`. */
  readonly acceptParameters?: string | undefined;
  /** Deadline for the complete answer, milliseconds from the call; default 30 000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called just before the request is written to a connection: obtaining credentials and connections may take seconds.
   * An error that it throws fails the request, and nothing is sent.
   */
  readonly guard?: (() => void) | undefined;
  /** Reads the objects of an answer in the binary format. */
  readonly readObject?: ReadObject | undefined;
  /** True to get the text of the answer, in JSON, for a caller that has it parsed elsewhere. */
  readonly asText?: boolean;
  /** Called with the texts of the answer's warnings, in their order; also if there is none. */
  readonly onWarnings?: ((warnings: readonly string[]) => void) | undefined;
}

export interface WatchRequest {
  readonly path: string;
  readonly query?: Query | undefined;
  readonly signal: AbortSignal;
  /** Longest silence before and within the answer, milliseconds. */
  readonly stallMs: number;
  /** Called when the server begins to answer, which may be long before the first value. Must not throw. */
  readonly onOpen?: (() => void) | undefined;
  /** Reads the objects of an answer in the binary format. */
  readonly readObject?: ReadObject | undefined;
}

export interface Transport {
  /** Returns the object, list or Status of a successful answer, as JSON has it. @throws ApiError */
  request<T>(request: Request): Promise<T>;
  /**
   * Yields the events of a watch, those that came together at a time, until the server ends it.
   *
   * @throws ApiError of reason Stalled after `stallMs` without a byte; Malformed for an event that can't be read, is longer
   *   than 16 MiB or incomplete; Transport if the connection breaks
   */
  watch(request: WatchRequest): AsyncIterable<readonly unknown[]>;
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
  /** The format of the paths that it covers, until the server refuses it. JSON is the format of all others. */
  readonly binaryFormat?: BinaryFormat | undefined;
  readonly clock?: Clock;
  /** Deadline of a request that sets none, milliseconds. */
  readonly timeoutMs?: number;
  /** Called for every HTTP exchange, repeated ones included. Must not throw. */
  readonly onRequest?: (info: RequestInfo) => void;
  /** Environment variables, for HTTPS_PROXY and the like; process.env by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const DEFAULT_TIMEOUT_MS = 30_000;
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
  /** Undefined if none was given, or after the server, or a proxy before it, has refused it. */
  #binaryFormat: BinaryFormat | undefined;
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
    this.#binaryFormat = options.binaryFormat;
    this.#connections = new Connections({
      origin: url.origin,
      proxy: config.proxyUrl ?? proxyFor(url, options.env ?? process.env),
      clock: this.#clock,
    });
    this.#credentials = new CredentialSource(config, this.#clock);
  }

  async request<T>(request: Request): Promise<T> {
    const { method, path, signal, timeoutMs = this.#timeoutMs } = request;
    const deadline = new Deadline(this.#clock, timeoutMs, [signal, this.#closing.signal]);
    const name = { method, path };
    const target = pathAndQuery(path, request.query);
    const attempt = (format: BinaryFormat | undefined): Promise<unknown> => {
      const { body, headers } = bodyOf(request, format);
      const exchange = { request, name, verb: method, target, headers, body, deadline, format };
      return this.#authorised(exchange, (credentials) => this.#exchange(exchange, credentials));
    };
    try {
      return (await (request.asText ? attempt(undefined) : this.#negotiate(path, attempt))) as T;
    } catch (error) {
      throw this.#failure(name, error, deadline);
    } finally {
      deadline.clear();
    }
  }

  async *watch(request: WatchRequest): AsyncGenerator<readonly unknown[], void, undefined> {
    const { path, signal, stallMs, readObject } = request;
    const deadline = new Deadline(this.#clock, stallMs, [signal, this.#closing.signal], 'Stalled');
    const name = { method: 'WATCH', path } as const;
    const target = pathAndQuery(path, request.query);
    try {
      const { stream, events } = await this.#negotiate(path, async (format) => {
        const headers = ['accept', acceptOf(format)];
        const exchange = { name, verb: name.method, target, headers, body: null, deadline, format };
        const opened = await this.#authorised(exchange, (credentials) => this.#open(exchange, credentials));
        const reader = new EventReader(
          name,
          isBinary(opened.contentType, format) ? format : undefined,
          readObject,
        );
        return { stream: opened.body, events: reader };
      });
      request.onOpen?.();
      let bytesSinceTurn = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        deadline.extend();
        yield* events.push(chunk);
        bytesSinceTurn += chunk.length;
        if (bytesSinceTurn < BYTES_PER_TURN) continue;
        bytesSinceTurn = 0;
        await nextTurn();
      }
      events.end();
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

  /** Runs `attempt` in the binary format, if there is one for the path; in JSON if the server refuses that format. */
  async #negotiate<R>(path: string, attempt: (format: BinaryFormat | undefined) => Promise<R>): Promise<R> {
    const format = this.#binaryFormat;
    if (format?.covers(path) !== true) return attempt(undefined);
    try {
      return await attempt(format);
    } catch (error) {
      // The server answers 415 and 406 before it carries out a write, so that the request can be repeated.
      if (!(error instanceof ApiError) || (error.status !== 415 && error.status !== 406)) throw error;
      this.#binaryFormat = undefined;
      return attempt(undefined);
    }
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

  /** Resolves with the value of a successful answer. */
  async #exchange(exchange: Exchange & { request: Request }, credentials: Credentials): Promise<unknown> {
    const { request, name, format, deadline } = exchange;
    const started = this.#clock.monotonic();
    let answer: Answer | undefined;
    try {
      const connections = this.#connections.dispatcherFor(credentials);
      const pending = roundTrip(connections, this.#options(exchange, credentials), request.guard);
      deadline.onAbort(() => pending.abort());
      answer = await pending.answer;
    } finally {
      this.#report(exchange, answer?.status ?? '<error>', started, answer?.body.length);
    }
    if (answer.status < 200 || answer.status > 299) throw this.#refusal(exchange, answer);
    request.onWarnings?.(warningTexts(answer.warnings));
    return request.asText ? answer.body.toString('utf8') : valueOf(name, answer, format, request.readObject);
  }

  /** Resolves with the stream of a successful answer as soon as its headers have come. */
  async #open(exchange: Exchange, credentials: Credentials): Promise<OpenAnswer> {
    const started = this.#clock.monotonic();
    let status: number | '<error>' = '<error>';
    try {
      const response = await this.#connections.dispatcherFor(credentials).request({
        ...this.#options(exchange, credentials),
        signal: exchange.deadline.signal,
      });
      status = response.statusCode;
      const contentType = headerText(response.headers['content-type']);
      if (status < 200 || status > 299) {
        const retryAfter = headerText(response.headers['retry-after']);
        const body = Buffer.from(await response.body.arrayBuffer());
        throw this.#refusal(exchange, { status, retryAfter, contentType, body, warnings: undefined });
      }
      exchange.deadline.extend();
      return { contentType, body: response.body };
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

  #refusal({ name, format }: Exchange, answer: Answer): ApiError {
    const { status, retryAfter } = answer;
    return errorOfResponse(name, { status, body: contentOf(answer, format), retryAfter }, this.#clock.now());
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
    if (error instanceof LineTooLongError || error instanceof FrameTooLongError)
      return malformed({ method, path }, error.message, error);
    return local('Transport', describeFailure(error));
  }
}

interface Exchange {
  readonly name: RequestName;
  readonly verb: Method | 'WATCH';
  /** Path with query. */
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: string | Buffer | null;
  readonly deadline: Deadline;
  readonly format: BinaryFormat | undefined;
}

/** A watch whose headers have come. */
interface OpenAnswer {
  readonly contentType: string | undefined;
  readonly body: Dispatcher.ResponseData['body'];
}
