/** One end out of a time limit on the injected clock and the callers' signals. */
import type { Clock, Timer } from '../../util/clock.ts';
import { scheduleShared } from './shared-timer.ts';

export class Deadline {
  /** The limit, in milliseconds. */
  readonly milliseconds: number;
  readonly #clock: Clock;
  readonly #signals: readonly AbortSignal[];
  readonly #reason: 'Timeout' | 'Stalled';
  #controller: AbortController | undefined;
  #onAbort: (() => void) | undefined;
  #aborted = false;
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
    // What only ends by its answer shares a timer with its like; what is extended again and again has its own.
    this.#timer =
      reason === 'Stalled'
        ? clock.schedule(milliseconds, this.#check)
        : scheduleShared(clock, milliseconds, this.#check);
    for (const signal of this.#signals) {
      if (signal.aborted) this.#abort();
      else follow(signal, this.#abort);
    }
  }

  /** Whether it ended: the time ran out, or a signal was aborted. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** The same as a signal. Made only when asked for: it costs more than all else here. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** Calls `callback` when it ends; at once if it has. There is one: a later call replaces it. */
  onAbort(callback: () => void): void {
    if (this.#aborted) callback();
    else this.#onAbort = callback;
  }

  /** The reason once the time ran out before anything else ended it. */
  get expired(): 'Timeout' | 'Stalled' | undefined {
    return this.#expired ? this.#reason : undefined;
  }

  /** Starts the time anew. Costs no timer, as it is called for every chunk. */
  extend(): void {
    this.#due = this.#clock.monotonic() + this.milliseconds;
  }

  /** Calls it off: nothing ends it any more. */
  clear(): void {
    this.#timer.cancel();
    for (const signal of this.#signals) unfollow(signal, this.#abort);
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
 * Who follows a signal, which has one listener of ours however many these are: adding and removing a listener looks at
 * all that are there, and a signal of the whole process has as many as there are requests under way.
 */
const followers = new WeakMap<AbortSignal, Set<() => void>>();

function follow(signal: AbortSignal, callback: () => void): void {
  const known = followers.get(signal);
  if (known !== undefined) {
    known.add(callback);
    return;
  }
  const callbacks = new Set([callback]);
  followers.set(signal, callbacks);
  const tell = () => {
    for (const each of callbacks) each();
    callbacks.clear();
  };
  signal.addEventListener('abort', tell, { once: true });
}

function unfollow(signal: AbortSignal, callback: () => void): void {
  followers.get(signal)?.delete(callback);
}
