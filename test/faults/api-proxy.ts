// A proxy between an operator and the real API server that ends TLS, so that it can understand and change what passes:
// requests are whole, watches pass line by line. Nothing is changed unless a fault is set.
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, request } from 'undici';
import { createAuthority, issueServing, privatePem } from '../env/plane/x509.ts';

/** What a fault may do with a request. It has to do one of these, once; what throws resets the connection. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  /** May be changed before the request is forwarded. */
  readonly query: URLSearchParams;
  /** Plural name of what is asked for, with its subresource: `networkpolicies`, `segmentationprofiles/status`. */
  readonly resource: string;
  readonly isWrite: boolean;
  readonly isWatch: boolean;
  /** Of everything of the kind, in all namespaces, as caches are filled: streamed or in pages. */
  readonly isCollection: boolean;
  /** Sends it to the API server and gives the operator the answer. */
  pass(): Promise<void>;
  /** Sends it to the API server, and resolves the answer's status and text once it is complete. Not for watches. */
  commit(): Promise<{ readonly status: number; readonly body: string }>;
  answer(status: number, body: string, headers?: Readonly<Record<string, string>>): void;
  /** An answer that goes on: what is returned writes to it. */
  open(): ServerResponse;
  reset(): void;
}

export type Fault = (exchange: Exchange) => void | Promise<void>;

/** One open watch, as the operator sees it. */
export interface Watch {
  readonly resource: string;
  /** Lines that came for it before. */
  readonly seen: readonly string[];
  send(line: string): void;
  /** What is sent from now on comes so many milliseconds later, in order. */
  pause(ms: number): void;
  reset(): void;
  end(): void;
}

/** What becomes of one line of a watch; without it the line is sent. */
export type LineFault = (line: string, watch: Watch) => void;

/** A write that the operator asked for. */
export interface Write {
  /** `performance.now()` when it came. */
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
  /** Path of a kubeconfig that goes by way of this proxy. */
  readonly kubeconfig: string;
  /** All writes so far, whatever became of them. */
  readonly writes: Write[] = [];
  /** How many requests have come. */
  requests = 0;
  fault: Fault | undefined;
  lineFault: LineFault | undefined;

  readonly #server: Server;
  readonly #agent: Agent;
  readonly #target: string;
  readonly #watches = new Set<Watch>();
  /** Answers that are neither complete nor watches. */
  readonly #pending = new Set<ServerResponse>();

  private constructor(server: Server, agent: Agent, target: string, kubeconfig: string) {
    this.#server = server;
    this.#agent = agent;
    this.#target = target;
    this.kubeconfig = kubeconfig;
    server.on('request', (incoming, response) => void this.#accept(incoming, response));
  }

  /** @param kubeconfig path of one of the API server itself; the proxy's own is written beside it */
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

  /** Ends watches with an ERROR event of code 410, so that everything is listed anew. */
  expire(resource?: string): void {
    for (const watch of this.watches(resource)) {
      watch.send(JSON.stringify({ type: 'ERROR', object: EXPIRED }));
      watch.end();
    }
  }

  /** From now on nothing is changed. What hangs is reset. */
  heal(): void {
    this.fault = undefined;
    this.lineFault = undefined;
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
      const exchange = this.#exchange(incoming, response, url, await text(incoming));
      const { isWrite, method, path, resource } = exchange;
      if (isWrite) this.writes.push({ at: performance.now(), method, path, resource });
      await (this.fault ?? pass)(exchange);
    } catch {
      response.socket?.destroy(); // the API server is away, or the operator
    }
  }

  #exchange(incoming: IncomingMessage, response: ServerResponse, url: URL, body: string): Exchange {
    const { method = 'GET' } = incoming;
    const { resource, isCollection } = target(url.pathname);
    const isWatch = url.searchParams.get('watch') === 'true';
    const forward = () => this.#forward(incoming, url, body, response);
    return {
      method,
      path: url.pathname,
      query: url.searchParams,
      resource,
      isWrite: method !== 'GET',
      isWatch,
      isCollection,
      pass: async () => {
        const answer = await forward();
        response.writeHead(answer.statusCode, endToEnd(answer.headers));
        if (isWatch && answer.statusCode === 200) await this.#relay(resource, answer.body, response);
        else response.end(await answer.body.text());
      },
      commit: async () => {
        const answer = await forward();
        return { status: answer.statusCode, body: await answer.body.text() };
      },
      answer: (status, content, headers = {}) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(content);
      },
      open: () => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.flushHeaders();
        return response;
      },
      reset: () => void response.socket?.destroy(),
    };
  }

  #forward(
    incoming: IncomingMessage,
    url: URL,
    body: string,
    response: ServerResponse,
  ): Promise<Dispatcher.ResponseData> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    return request(url, {
      dispatcher: this.#agent,
      method: incoming.method as Dispatcher.HttpMethod,
      headers: endToEnd(incoming.headers),
      body: body === '' ? null : body,
      // A request that is with the API server goes on there when the operator is gone; a watch has no use then.
      ...(incoming.method === 'GET' && { signal: gone.signal }),
    });
  }

  /** Passes a watch on, line by line. */
  async #relay(resource: string, body: Dispatcher.ResponseData['body'], response: ServerResponse) {
    this.#pending.delete(response);
    response.flushHeaders();
    const seen: string[] = [];
    let turn: Promise<unknown> = Promise.resolve();
    const sendBackground = (act: () => unknown) => {
      turn = turn.then(act);
    };
    const watch: Watch = {
      resource,
      seen,
      send: (line) => sendBackground(() => response.write(`${line}\n`)),
      pause: (ms) => sendBackground(() => sleep(ms)),
      reset: () => void response.socket?.destroy(),
      end: () => sendBackground(() => response.end()),
    };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    let rest = '';
    body.setEncoding('utf8');
    for await (const chunk of body as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (this.lineFault === undefined) watch.send(line);
        else this.lineFault(line, watch);
        seen.push(line);
      }
    }
    watch.end();
  }
}

const pass: Fault = (exchange) => exchange.pass();

export const EXPIRED = {
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  message: 'too old resource version: 1 (2)',
  reason: 'Expired',
  code: 410,
};

/** Which kind a path is about: /api/v1/... or /apis/GROUP/VERSION/..., with or without a namespace. */
function target(path: string): { resource: string; isCollection: boolean } {
  const [root, ...rest] = path.split('/').slice(1);
  const parts = rest.slice(root === 'api' ? 1 : 2);
  const namespaced = parts[0] === 'namespaces' && parts.length > 2 && parts[2] !== 'status';
  const [plural = '', name, subresource] = namespaced ? parts.slice(2) : parts;
  return {
    resource: subresource === undefined ? plural : `${plural}/${subresource}`,
    isCollection: !namespaced && name === undefined,
  };
}

/** Headers without those that are between two neighbours only. */
function endToEnd(headers: IncomingMessage['headers']): Record<string, string | string[]> {
  const own = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host']);
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] => entry[1] !== undefined && !own.has(entry[0]),
    ),
  );
}
