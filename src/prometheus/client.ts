/** Asks a Prometheus, or a server with its HTTP API, for the value of a query now. It is only read. */
import { readFile } from 'node:fs/promises';
import { Pool } from 'undici';
import { describeFailure } from '../kube/http/wire.ts';
import { errorIn, none, type QueryResult, resultOf } from '../rollout/query-result.ts';

export interface PrometheusClientOptions {
  /** `http` or `https`, with the prefix of the API's path if it has one. */
  readonly url: string;
  /** PEM of the authorities that verify the server's certificate. Read at each query, as it may be renewed. */
  readonly caFile: string | undefined;
  /** A bearer token. Read at each query too. */
  readonly tokenFile: string | undefined;
  readonly userAgent: string;
  /** Called after each query. */
  readonly onQuery?: (query: string, result: QueryResult, durationMs: number) => void;
}

/** Longest wait for an answer, milliseconds. */
const TIMEOUT_MS = 10_000;
/** Largest answer that is read, bytes. One sample has a few hundred. */
const MAX_BYTES = 1_048_576;

export class PrometheusClient {
  readonly #options: PrometheusClientOptions;
  #pool: { readonly pool: Pool; readonly ca: string | undefined } | undefined;

  constructor(options: PrometheusClientOptions) {
    this.#options = options;
  }

  /** Resolves with the value of the query, or why there is none. Never rejects. */
  async ask(query: string, signal: AbortSignal): Promise<QueryResult> {
    const began = performance.now();
    const result = await this.#ask(query, signal).catch((error: unknown) => none(failureText(error)));
    if (!signal.aborted) this.#options.onQuery?.(query, result, performance.now() - began);
    return result;
  }

  /** Ends its connections. */
  async close(): Promise<void> {
    await this.#pool?.pool.destroy();
  }

  async #ask(query: string, signal: AbortSignal): Promise<QueryResult> {
    const { url, caFile, tokenFile, userAgent } = this.#options;
    const { origin, pathname } = new URL(url);
    const search = new URLSearchParams({
      query,
      timeout: `${TIMEOUT_MS / 1000}s`,
      // Thanos would leave out the stores that do not answer, and with them what their samples show.
      partial_response: 'false',
    });
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    const { statusCode, body } = await this.#poolFor(origin, ca).request({
      method: 'GET',
      path: `${pathname.replace(/\/$/, '')}/api/v1/query?${search.toString()}`,
      headers: {
        'user-agent': userAgent,
        accept: 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BYTES) return none(`the answer is larger than ${MAX_BYTES} bytes: aggregate the query`);
      chunks.push(chunk);
    }
    const text = Buffer.concat(chunks).toString();
    return statusCode === 200 ? resultOf(text) : errorIn(statusCode, text);
  }

  /** Connections that trust these authorities. */
  #poolFor(origin: string, ca: string | undefined): Pool {
    if (this.#pool !== undefined && this.#pool.ca === ca) return this.#pool.pool;
    void this.#pool?.pool.close();
    const pool = new Pool(origin, {
      connections: 4,
      connect: { timeout: TIMEOUT_MS, ...(ca !== undefined && { ca }) },
    });
    this.#pool = { pool, ca };
    return pool;
  }
}

function failureText(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError')
    return `no answer within ${TIMEOUT_MS / 1000} s`;
  return describeFailure(error);
}
