/** One abort signal out of a time limit on the injected clock and the callers' signals. */
import type { Clock, Timer } from '../clock.ts';

export class Deadline {
  /** The limit, in milliseconds. */
  readonly milliseconds: number;
  readonly #clock: Clock;
  readonly #signals: readonly AbortSignal[];
  readonly #reason: 'Timeout' | 'Stalled';
  readonly #controller = new AbortController();
  #timer: Timer;
  #due: number;
  #expired = false;

  /** @param reason what running out of time is called in the ApiError */
  constructor(
    clock: Clock,
    milliseconds: number,
    signals: readonly (AbortSignal | undefined)[],
    reason: 'Timeout' | 'Stalled' = 'Timeout',
  ) {
    this.milliseconds = milliseconds;
    this.#clock = clock;
    this.#reason = reason;
    this.#signals = signals.filter((signal) => signal !== undefined);
    this.#due = clock.monotonic() + milliseconds;
    this.#timer = clock.schedule(milliseconds, this.#check);
    for (const signal of this.#signals) {
      if (signal.aborted) this.#abort();
      else signal.addEventListener('abort', this.#abort, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The reason once the time ran out before anything else ended it. */
  get expired(): 'Timeout' | 'Stalled' | undefined {
    return this.#expired ? this.#reason : undefined;
  }

  /** Starts the time anew. Costs no timer, as it is called for every chunk. */
  extend(): void {
    this.#due = this.#clock.monotonic() + this.milliseconds;
  }

  /** Ends it. The signal is no longer aborted by anything. */
  clear(): void {
    this.#timer.cancel();
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#abort);
  }

  /** `pending`, or a rejection as soon as the signal is aborted. */
  race<T>(pending: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = () => reject(new Error('the deadline passed'));
      if (this.signal.aborted) stop();
      this.signal.addEventListener('abort', stop, { once: true });
      pending.then(resolve, reject).finally(() => this.signal.removeEventListener('abort', stop));
    });
  }

  readonly #check = (): void => {
    const left = this.#due - this.#clock.monotonic();
    // A Node timer may fire a fraction of a millisecond early.
    if (left > 1) {
      this.#timer = this.#clock.schedule(left, this.#check);
      return;
    }
    if (this.signal.aborted) return;
    this.#expired = true;
    this.#abort();
  };

  readonly #abort = (): void => {
    if (!this.#controller.signal.aborted) this.#controller.abort();
  };
}
