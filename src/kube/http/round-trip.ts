/**
 * Sends one request and reads the whole answer, with undici's `dispatch`. undici's `request` creates a stream, a
 * promise and an abort signal for each answer, which costs more than the rest of the exchange if the answer is small
 * JSON (docs/decisions/0012-performance.md).
 */
import type { Dispatcher } from 'undici';

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly contentType: string | undefined;
  /** Warning headers. */
  readonly warnings: string | readonly string[] | undefined;
  readonly body: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** The first value of a header. */
export function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

export interface PendingAnswer {
  readonly answer: Promise<Answer>;
  /** Closes the connection and rejects the answer. No effect once the answer is complete. */
  abort(): void;
}

/**
 * The answer rejects with undici's error if it is not complete, and after `abort`.
 *
 * @param guard called just before the request is sent; an error that it throws rejects the answer, and nothing is sent
 */
export function roundTrip(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  guard?: () => void,
): PendingAnswer {
  const exchange = new RoundTrip(guard);
  dispatcher.dispatch(options, exchange);
  return exchange;
}

class RoundTrip implements Dispatcher.DispatchHandler, PendingAnswer {
  readonly answer: Promise<Answer>;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;
  readonly #guard: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #isAborted = false;
  #status = 0;
  #retryAfter: string | undefined;
  #warnings: string | string[] | undefined;
  #contentType: string | undefined;
  /** First chunk of the body. Nearly every answer has only one. */
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
    // Without a controller the request waits for a connection. `onRequestStart` aborts it as soon as there is one.
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
    // Informational answers (1xx) come before the final one.
    this.#status = status;
    this.#warnings = headers['warning'];
    this.#contentType = headerText(headers['content-type']);
    if (status > 299) this.#retryAfter = headerText(headers['retry-after']);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#first === undefined) this.#first = chunk;
    else (this.#rest ??= []).push(chunk);
  }

  onResponseEnd(): void {
    const first = this.#first ?? NOTHING;
    this.#resolve({
      status: this.#status,
      retryAfter: this.#retryAfter,
      contentType: this.#contentType,
      warnings: this.#warnings,
      body: this.#rest === undefined ? first : Buffer.concat([first, ...this.#rest]),
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error);
  }
}
