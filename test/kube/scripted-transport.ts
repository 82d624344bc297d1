/** A Transport whose calls are answered by the test. */
import { ApiError } from '../../src/kube/errors.ts';
import type { Request, Transport, WatchRequest } from '../../src/kube/http/transport.ts';
import { flush } from '../support/clocks/virtual-clock.ts';

export interface ListCall {
  readonly kind: 'list';
  readonly query: NonNullable<Request['query']>;
  answer(body: unknown): void;
  fail(error: unknown): void;
}

export interface WatchCall {
  readonly kind: 'watch';
  readonly query: NonNullable<Request['query']>;
  readonly stallMs: number;
  /** True once the caller has ended the watch. */
  readonly closed: boolean;
  /** The server begins to answer; `send` implies it. */
  open(): void;
  send(...values: unknown[]): void;
  /** The server ends the stream. */
  end(): void;
  fail(error: unknown): void;
}

export class ScriptedTransport implements Transport {
  /** Calls that no test has taken yet. */
  readonly #calls: (ListCall | WatchCall)[] = [];

  /** Takes the next call. @throws Error if there is none, or of another kind */
  async next<K extends 'list' | 'watch'>(kind: K): Promise<Extract<ListCall | WatchCall, { kind: K }>> {
    await flush();
    const call = this.#calls.shift();
    if (call?.kind !== kind) throw new Error(`expected a ${kind}, but there is ${call?.kind ?? 'no call'}`);
    return call as Extract<ListCall | WatchCall, { kind: K }>;
  }

  /** Kinds of the calls that no test has taken yet. */
  async waiting(): Promise<string[]> {
    await flush();
    return this.#calls.map(({ kind }) => kind);
  }

  request<T>(request: Request): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    request.signal?.addEventListener('abort', () => reject(aborted(request.path)));
    const answer = (body: unknown) => resolve(body as T);
    this.#calls.push({ kind: 'list', query: request.query ?? {}, answer, fail: reject });
    return promise;
  }

  async *watch(request: WatchRequest): AsyncGenerator<readonly unknown[], void, undefined> {
    const values: unknown[] = [];
    let finish: { error?: unknown } | undefined;
    let closed = false;
    let wake = Promise.withResolvers<void>();
    let opened = false;
    const open = () => {
      if (!opened) request.onOpen?.();
      opened = true;
    };
    const end = (how: { error?: unknown }) => {
      finish ??= how;
      wake.resolve();
    };
    request.signal.addEventListener('abort', () => end({ error: aborted(request.path) }));
    this.#calls.push({
      kind: 'watch',
      query: request.query ?? {},
      stallMs: request.stallMs,
      get closed() {
        return closed;
      },
      open,
      send: (...sent) => {
        open();
        values.push(...sent);
        wake.resolve();
      },
      end: () => end({}),
      fail: (error) => end({ error }),
    });
    try {
      for (;;) {
        while (values.length > 0) yield values.splice(0);
        if (finish !== undefined) break;
        await wake.promise;
        wake = Promise.withResolvers();
      }
    } finally {
      closed = true;
    }
    if ('error' in finish) throw finish.error;
  }

  async close(): Promise<void> {}
}

function aborted(path: string): ApiError {
  return new ApiError({ status: 0, reason: 'Aborted', message: 'given up', method: 'GET', path });
}
