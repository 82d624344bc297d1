/** The end of a request: a time limit on the injected clock, or an abort by one of the callers' signals. */
import type { Clock, Timer } from '../../util/clock.ts';
import { LinkedList } from './linked-list.ts';
import { scheduleShared } from './shared-timer.ts';

export class Deadline {
  /** The time limit, milliseconds. */
  readonly milliseconds: number;
  readonly #clock: Clock;
  /** Ends that the deadline follows each signal. */
  readonly #unfollow: (() => void)[] = [];
  readonly #reason: 'Timeout' | 'Stalled';
  #controller: AbortController | undefined;
  #onAbort: (() => void) | undefined;
  #aborted = false;
  #timer: Timer;
  #due: number;
  #expired = false;

  /** @param reason the reason of the ApiError if the time runs out */
  constructor(
    clock: Clock,
    milliseconds: number,
    signals: readonly (AbortSignal | undefined)[],
    reason: 'Timeout' | 'Stalled' = 'Timeout',
  ) {
    this.milliseconds = milliseconds;
    this.#clock = clock;
    this.#reason = reason;
    this.#due = clock.monotonic() + milliseconds;
    // Requests share timers. A watch has its own, as its deadline is extended again and again.
    this.#timer =
      reason === 'Stalled'
        ? clock.schedule(milliseconds, this.#check)
        : scheduleShared(clock, milliseconds, this.#check);
    for (const signal of signals) {
      if (signal === undefined) continue;
      if (signal.aborted) this.#abort();
      else this.#unfollow.push(follow(signal, this.#abort));
    }
  }

  /** True once the time ran out or a signal was aborted. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** The end as a signal, created at the first use: it costs more than the rest of this class. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** Calls `callback` at the end, at once if that has come. A later call replaces the callback. */
  onAbort(callback: () => void): void {
    if (this.#aborted) callback();
    else this.#onAbort = callback;
  }

  /** The reason if the time ran out before a signal was aborted. */
  get expired(): 'Timeout' | 'Stalled' | undefined {
    return this.#expired ? this.#reason : undefined;
  }

  /** Restarts the time limit. Sets no timer, as it is called for every chunk. */
  extend(): void {
    this.#due = this.#clock.monotonic() + this.milliseconds;
  }

  /** Cancels the time limit and ignores the signals from now on. */
  clear(): void {
    this.#onAbort = undefined;
    this.#timer.cancel();
    for (const unfollow of this.#unfollow) unfollow();
  }

  /** Rejects at the end if `pending` has not settled before. */
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
    if (this.#aborted) return;
    this.#expired = true;
    this.#abort();
  };

  readonly #abort = (): void => {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#controller?.abort();
    this.#onAbort?.();
  };
}

/**
 * Callbacks by signal. Each signal has one listener of ours: adding and removing a listener scans all of them, and the
 * process's own signal would have one for each request in flight.
 */
const followers = new WeakMap<AbortSignal, LinkedList<() => void>>();

/** @returns ends that the callback is called */
function follow(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = followers.get(signal);
  if (callbacks === undefined) {
    followers.set(signal, (callbacks = new LinkedList()));
    callEachOnAbort(signal, callbacks);
  }
  const link = callbacks.add(callback);
  return () => callbacks.remove(link);
}

function callEachOnAbort(signal: AbortSignal, callbacks: LinkedList<() => void>): void {
  const abort = () => {
    for (let link = callbacks.first; link !== undefined; link = callbacks.first) {
      callbacks.remove(link);
      link.value();
    }
  };
  signal.addEventListener('abort', abort, { once: true });
}
