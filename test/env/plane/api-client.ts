// Sends requests to the API server as its administrator: for readiness, tokens, the node agent, and tests.
import { Agent, request } from 'undici';
import type { ClientCredentials } from './pki.ts';

export interface ApiClientOptions {
  readonly server: string;
  /** PEM. */
  readonly authority: string;
  readonly user: ClientCredentials;
  /** Most connections; further requests wait. Default 8. */
  readonly connections?: number;
}

/** An answer of the API server other than 2xx. */
export class ApiError extends Error {
  readonly status: number;

  constructor(method: string, path: string, status: number, body: string) {
    super(`${method} ${path}: HTTP ${status} ${body.slice(0, 500)}`);
    this.name = 'ApiError';
    this.status = status;
  }
}

const REQUEST_TIMEOUT = 60_000; // ms, the API server's own limit

export class ApiClient {
  readonly #server: string;
  readonly #agent: Agent;

  constructor({ server, authority, user, connections = 8 }: ApiClientOptions) {
    this.#server = server;
    this.#agent = new Agent({
      connections,
      connect: { ca: authority, cert: user.certificate, key: user.key },
    });
  }

  /** Sends JSON and reads the whole answer. Rejects with ApiError, or with a network error. */
  async send(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    const response = await request(this.#server + path, {
      method,
      dispatcher: this.#agent,
      headers: {
        accept: 'application/json',
        ...(body === undefined
          ? {}
          : { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      headersTimeout: REQUEST_TIMEOUT,
      bodyTimeout: REQUEST_TIMEOUT,
    });
    const text = await response.body.text();
    if (response.statusCode >= 300) throw new ApiError(method, path, response.statusCode, text);
    return response.headers['content-type']?.includes('json') ? JSON.parse(text) : text;
  }

  /** POSTs a text of another format than JSON, such as YAML. Rejects as `send` does. */
  async postText(path: string, text: string, contentType: string): Promise<unknown> {
    const response = await request(this.#server + path, {
      method: 'POST',
      dispatcher: this.#agent,
      headers: { accept: 'application/json', 'content-type': contentType },
      body: text,
      headersTimeout: REQUEST_TIMEOUT,
      bodyTimeout: REQUEST_TIMEOUT,
    });
    const body = await response.body.text();
    if (response.statusCode >= 300) throw new ApiError('POST', path, response.statusCode, body);
    return JSON.parse(body);
  }

  /** Yields each JSON line of a streamed answer (a watch) until it ends or `signal` is aborted. */
  async *stream(path: string, signal: AbortSignal): AsyncGenerator {
    const response = await request(this.#server + path, {
      dispatcher: this.#agent,
      signal,
      headersTimeout: REQUEST_TIMEOUT,
      bodyTimeout: 0, // a silent watch is healthy; the server ends it
    });
    if (response.statusCode >= 300) {
      throw new ApiError('GET', path, response.statusCode, await response.body.text());
    }
    let rest = '';
    response.body.setEncoding('utf8');
    for await (const chunk of response.body as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line);
    }
  }

  get closed(): boolean {
    return this.#agent.destroyed;
  }

  /** Drops open connections; every request rejects from now on. */
  close(): Promise<void> {
    return this.#agent.destroy();
  }
}
