/**
 * One request and its whole answer, on undici's dispatch: its `request` makes a stream, a promise and an abort signal
 * of each answer, which for small JSON costs more than the rest of the exchange (docs/decisions/0012-performance.md).
 */
import type { Dispatcher } from 'undici';

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
  /** How long it is on the wire. */
  readonly bytes: number;
}

export interface Pending {
  readonly answer: Promise<Answer>;
  /** Gives up: the connection is closed, as what still comes on it is of no use. Harmless once the answer is there. */
  abort(): void;
}

/**
 * Rejects with undici's error where no complete answer comes, also after `abort`.
 *
 * @param guard called just before anything is sent; what it throws is what the answer rejects with instead
 */
export function roundTrip(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  guard?: () => void,
): Pending {
  const exchange = new RoundTrip(guard);
  dispatcher.dispatch(options, exchange);
  return exchange;
}

class RoundTrip implements Dispatcher.DispatchHandler, Pending {
  readonly answer: Promise<Answer>;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;
  readonly #guard: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #isAborted = false;
  #status = 0;
  #retryAfter: string | undefined;
  /** Nearly every answer is one chunk. */
  #first: Buffer | undefined;
  #rest: Buffer[] | undefined;

  constructor(guard: (() => void) | undefined) {
    this.#guard = guard;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  abort(): void {
    this.#isAborted = true;
    const reason = new Error('given up');
    this.#controller?.abort(reason);
    // Without a controller it still waits for a connection: it ends itself as soon as it has one.
    this.#reject(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isAborted) controller.abort(new Error('given up'));
    else {
      try {
        this.#guard?.();
      } catch (error) {
        controller.abort(error as Error);
      }
    }
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // An informational answer (1xx) comes before the real one.
    this.#status = status;
    if (status <= 299) return;
    const retryAfter = headers['retry-after'];
    this.#retryAfter = Array.isArray(retryAfter) ? retryAfter[0] : retryAfter;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#first === undefined) this.#first = chunk;
    else (this.#rest ??= []).push(chunk);
  }

  onResponseEnd(): void {
    const body =
      this.#first === undefined || this.#rest === undefined
        ? this.#first
        : Buffer.concat([this.#first, ...this.#rest]);
    const text = body === undefined ? '' : body.toString('utf8');
    const bytes = body?.length ?? 0;
    this.#resolve({ status: this.#status, retryAfter: this.#retryAfter, text, bytes });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error);
  }
}
