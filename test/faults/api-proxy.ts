/**
 * A proxy between an operator and the real API server. It terminates TLS, so that an interceptor can read and change each
 * request and each event of a watch. Interceptors read and write JSON, whatever the format on the wire. Without an
 * interceptor, everything passes unchanged.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, request } from 'undici';
import { createAuthority, issueServing, privatePem } from '../env/plane/x509.ts';
import { formatOf } from './wire-format.ts';

/** A request, for an interceptor. It must be passed, committed, answered, opened or reset once. An error resets it. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  /** May be changed before the request is forwarded. */
  readonly query: URLSearchParams;
  /** The plural name of the kind, with the subresource: `networkpolicies`, `segmentationprofiles/status`. */
  readonly resource: string;
  /** The types that the operator accepts. */
  readonly accept: string;
  /** The type of the request's body; undefined without one. */
  readonly contentType: string | undefined;
  readonly isWrite: boolean;
  readonly isWatch: boolean;
  /** True if the request is for all objects of the kind in all namespaces, as caches send it. */
  readonly isCollection: boolean;
  /** Forwards the request, and its answer to the operator. */
  pass(): Promise<void>;
  /** Forwards the request, and returns the answer instead of sending it to the operator. Not for watches. */
  commit(): Promise<{ readonly status: number; readonly body: string }>;
  answer(status: number, body: string, headers?: Readonly<Record<string, string>>): void;
  /** Starts a watch with status 200. */
  open(): EventStream;
  reset(): void;
}

/** A watch that an interceptor answers. */
export interface EventStream {
  send(line: string): void;
  end(): void;
}

export type Interceptor = (exchange: Exchange) => void | Promise<void>;

/** An open watch of the operator. */
export interface Watch {
  readonly resource: string;
  /** Earlier events of the watch, as JSON. */
  readonly seen: readonly string[];
  send(line: string): void;
  /** Delays all later events, in order. */
  pause(ms: number): void;
  reset(): void;
  end(): void;
}

/** Decides about one event of a watch, as a line of JSON: it is lost unless the interceptor sends it. */
export type LineInterceptor = (line: string, watch: Watch) => void;

/** A write request of the operator. */
export interface Write {
  /** When the request arrived, `performance.now()`. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly resource: string;
}

interface Cluster {
  readonly server: string;
  readonly 'certificate-authority-data': string;
}

export class ApiProxy {
  /** Path of a kubeconfig whose server is this proxy. */
  readonly kubeconfig: string;
  /** All write requests so far, also failed ones. */
  readonly writes: Write[] = [];
  /** Requests so far. */
  requests = 0;
  intercept: Interceptor | undefined;
  interceptLine: LineInterceptor | undefined;

  readonly #server: Server;
  readonly #agent: Agent;
  readonly #target: string;
  readonly #watches = new Set<Watch>();
  /** Incomplete answers, other than watches. */
  readonly #pending = new Set<ServerResponse>();

  private constructor(server: Server, agent: Agent, target: string, kubeconfig: string) {
    this.#server = server;
    this.#agent = agent;
    this.#target = target;
    this.kubeconfig = kubeconfig;
    server.on('request', (incoming, response) => void this.#accept(incoming, response));
  }

  /** @param kubeconfig path of a kubeconfig of the API server; the proxy's own is written beside it */
  static async start(kubeconfig: string): Promise<ApiProxy> {
    const config = JSON.parse(readFileSync(kubeconfig, 'utf8')) as { clusters: { cluster: Cluster }[] };
    const [entry] = config.clusters;
    if (entry === undefined) throw new Error(`${kubeconfig} names no cluster`);
    const target = entry.cluster;
    const authority = createAuthority('fault-proxy');
    const serving = issueServing(authority, { commonName: 'fault-proxy' }, ['127.0.0.1']);
    const server = createServer({ cert: serving.certificate, key: privatePem(serving.key) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    // A process whose suite fails before it can stop the proxy ends all the same.
    server.unref();
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    entry.cluster = {
      server: `https://127.0.0.1:${address.port}`,
      'certificate-authority-data': Buffer.from(authority.certificate).toString('base64'),
    };
    const path = `${kubeconfig}.${address.port}`;
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    const ca = Buffer.from(target['certificate-authority-data'], 'base64').toString();
    const agent = new Agent({ connect: { ca }, headersTimeout: 0, bodyTimeout: 0 });
    return new ApiProxy(server, agent, target.server, path);
  }

  /** Open watches, of one resource or all. */
  watches(resource?: string): Watch[] {
    return [...this.#watches].filter((each) => resource === undefined || each.resource === resource);
  }

  /** Ends watches with an ERROR event of code 410, so that the reflectors list again. */
  expire(resource?: string): void {
    for (const watch of this.watches(resource)) {
      watch.send(JSON.stringify({ type: 'ERROR', object: EXPIRED }));
      watch.end();
    }
  }

  /** Removes the interceptors, and resets requests without an answer. */
  heal(): void {
    this.intercept = undefined;
    this.interceptLine = undefined;
    for (const response of this.#pending) response.socket?.destroy();
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.all([closed, this.#agent.destroy()]);
  }

  async #accept(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    this.#pending.add(response);
    response.on('close', () => this.#pending.delete(response));
    response.on('error', () => {});
    try {
      const url = new URL(incoming.url ?? '/', this.#target);
      const exchange = this.#exchange(incoming, response, url, await buffer(incoming));
      const { isWrite, method, path, resource } = exchange;
      if (isWrite) this.writes.push({ at: performance.now(), method, path, resource });
      await (this.intercept ?? pass)(exchange);
    } catch {
      response.socket?.destroy(); // the API server or the operator is gone
    }
  }

  #exchange(incoming: IncomingMessage, response: ServerResponse, url: URL, body: Buffer): Exchange {
    const { method = 'GET' } = incoming;
    const { resource, isCollection } = kindOf(url.pathname);
    const isWatch = url.searchParams.get('watch') === 'true';
    const forward = () => this.#forward(incoming, url, body, response);
    const { accept = '', 'content-type': contentType } = incoming.headers;
    const format = formatOf(accept);
    return {
      method,
      path: url.pathname,
      query: url.searchParams,
      resource,
      accept,
      contentType,
      isWrite: method !== 'GET',
      isWatch,
      isCollection,
      pass: async () => {
        const answer = await forward();
        response.writeHead(answer.statusCode, endToEnd(answer.headers));
        if (isWatch && answer.statusCode === 200) await this.#relay(resource, answer, response);
        else response.end(Buffer.from(await answer.body.arrayBuffer()));
      },
      commit: async () => {
        const answer = await forward();
        const bytes = Buffer.from(await answer.body.arrayBuffer());
        return { status: answer.statusCode, body: formatOf(contentTypeOf(answer)).textOf(bytes) };
      },
      answer: (status, content, headers = {}) => {
        response.writeHead(status, { 'content-type': format.contentType, ...headers });
        response.end('content-type' in headers ? content : format.answerOf(content));
      },
      open: () => {
        response.writeHead(200, { 'content-type': format.contentType });
        response.flushHeaders();
        return {
          send: (line) => void response.write(format.eventOf(line)),
          end: () => void response.end(),
        };
      },
      reset: () => void response.socket?.destroy(),
    };
  }

  #forward(
    incoming: IncomingMessage,
    url: URL,
    body: Buffer,
    response: ServerResponse,
  ): Promise<Dispatcher.ResponseData> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    return request(url, {
      dispatcher: this.#agent,
      method: incoming.method as Dispatcher.HttpMethod,
      headers: endToEnd(incoming.headers),
      body: body.length === 0 ? null : body,
      // The API server completes a write whose client is gone. A watch without a client is ended.
      ...(incoming.method === 'GET' && { signal: gone.signal }),
    });
  }

  /** Forwards a watch, event by event. */
  async #relay(resource: string, answer: Dispatcher.ResponseData, response: ServerResponse) {
    const format = formatOf(contentTypeOf(answer));
    this.#pending.delete(response);
    response.flushHeaders();
    const seen: string[] = [];
    const originals = new Map<string, Buffer>();
    let turn: Promise<unknown> = Promise.resolve();
    const enqueue = (run: () => unknown) => {
      turn = turn.then(run);
    };
    const watch: Watch = {
      resource,
      seen,
      send: (line) => enqueue(() => response.write(originals.get(line) ?? format.eventOf(line))),
      pause: (ms) => enqueue(() => sleep(ms)),
      reset: () => void response.socket?.destroy(),
      end: () => enqueue(() => response.end()),
    };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    const split = format.splitter();
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      for (const { line, bytes } of split(chunk)) {
        originals.set(line, bytes);
        if (this.interceptLine === undefined) watch.send(line);
        else this.interceptLine(line, watch);
        seen.push(line);
      }
    }
    watch.end();
  }
}

function contentTypeOf({ headers }: Dispatcher.ResponseData): string | undefined {
  const value = headers['content-type'];
  return Array.isArray(value) ? value[0] : value;
}

const pass: Interceptor = (exchange) => exchange.pass();

export const EXPIRED = {
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  message: 'too old resource version: 1 (2)',
  reason: 'Expired',
  code: 410,
};

/** The kind that a path is for: /api/v1/... or /apis/GROUP/VERSION/..., with or without a namespace. */
function kindOf(path: string): { resource: string; isCollection: boolean } {
  const [root, ...rest] = path.split('/').slice(1);
  const parts = rest.slice(root === 'api' ? 1 : 2);
  const namespaced = parts[0] === 'namespaces' && parts.length > 2 && parts[2] !== 'status';
  const [plural = '', name, subresource] = namespaced ? parts.slice(2) : parts;
  return {
    resource: subresource === undefined ? plural : `${plural}/${subresource}`,
    isCollection: !namespaced && name === undefined,
  };
}

/** The headers without hop-by-hop ones (RFC 9110, 7.6.1). */
function endToEnd(headers: IncomingMessage['headers']): Record<string, string | string[]> {
  const own = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host']);
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] => entry[1] !== undefined && !own.has(entry[0]),
    ),
  );
}
