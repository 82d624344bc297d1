/** A request of a replica, from sending it to its outcome. It settles once; a later answer, timeout or abort is ignored. */
import { ApiError } from '../../../src/kube/errors.ts';
import type { Request } from '../../../src/kube/http/transport.ts';
import type { Timer } from '../../../src/util/clock.ts';
import { EPOCH } from '../schedule/scheduler.ts';
import { answerOf } from '../server/answer.ts';
import type { Answer } from '../server/server.ts';
import { type Listing, recordList } from './listings.ts';
import type { Network } from './network.ts';
import { type Fate, type RefusalStatus, STATUS_REASONS } from './rates.ts';
import { receivedAnswer } from './wire.ts';

/**
 * How long the server may still carry out a request whose client gave up or died, milliseconds. After that the API
 * server knows that the connection is closed, and drops requests that it has not begun.
 */
const LATE_MS = 100;
/** The default timeout of src/kube/http/transport.ts. */
const DEFAULT_TIMEOUT_MS = 30_000;

/** The faults of one request, drawn when it is sent. */
export interface RequestFaults {
  readonly fate: Fate;
  /** The listing that the answer belongs to; undefined unless the request lists a whole collection. */
  readonly listing: Listing | undefined;
  readonly isForged: boolean;
  /** The server still carries out the request if the client has just given up. */
  readonly arrivesLate: boolean;
  /** Until the request reaches the server, milliseconds. */
  readonly delay: number;
}

export class Exchange<T> {
  readonly promise: Promise<T>;
  /** The client still waits. */
  isOpen = true;
  readonly #request: Request;
  readonly #replica: string;
  readonly #network: Network;
  readonly #died: () => number | undefined;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly #timer: Timer;
  readonly #abort = () => this.#fail('Aborted', 'given up');
  /** When the client stopped waiting. */
  #closed = 0;

  /** @param died when the replica's process died */
  constructor(request: Request, replica: string, network: Network, died: () => number | undefined) {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#request = request;
    this.#replica = replica;
    this.#network = network;
    this.#died = died;
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = request;
    const message = `no complete answer came within ${timeoutMs} ms`;
    this.#timer = network.scheduler.after(timeoutMs, () =>
      network.whenAwake(this.#replica, () => this.#fail('Timeout', message)),
    );
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** True if the server drops the request, as its client gave up or died in time for that. */
  isDropped(arrivesLate: boolean): boolean {
    const since = this.isOpen ? this.#died() : this.#closed;
    return since !== undefined && !(arrivesLate && this.#network.scheduler.time - since < LATE_MS);
  }

  /** The answer, or the lack of one, reaches the client. */
  receive({ fate, listing, isForged }: RequestFaults, answer: Answer | undefined): void {
    if (fate.kind === 'lost') return this.#fail('Transport', 'connection reset');
    const result = fate.kind === 'refused' ? refusal(fate.status) : answer!;
    const now = EPOCH + this.#network.scheduler.time;
    this.#end(() => {
      try {
        const value = receivedAnswer(this.#request, answerOf(this.#request, result, now));
        if (listing !== undefined) recordList(listing, value, isForged);
        this.#resolve(value as T);
      } catch (error) {
        this.#reject(error);
      }
    });
  }

  #fail(reason: 'Transport' | 'Timeout' | 'Aborted', message: string): void {
    const { method, path } = this.#request;
    this.#end(() => this.#reject(new ApiError({ status: 0, reason, message, method, path })));
  }

  #end(settle: () => void): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#closed = this.#network.scheduler.time;
    this.#timer.cancel();
    this.#request.signal?.removeEventListener('abort', this.#abort);
    if (this.#died() === undefined) settle();
  }
}

function refusal(code: RefusalStatus): Answer {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    reason: STATUS_REASONS[code],
    message: 'simulated',
    code,
  };
  return { status: code, body: status, ...(code === 429 && { retryAfter: '1' }) };
}
