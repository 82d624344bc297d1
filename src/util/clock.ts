/** Clock and randomness. They are injected everywhere, so that schedules can be replayed. */

/** A scheduled callback, which can be cancelled. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump. */
  now(): number;
  /** Milliseconds since an arbitrary fixed moment. Never goes back. */
  monotonic(): number;
  /** Runs `callback` once after `delay` milliseconds. A pending timer does not keep the process alive. */
  schedule(delay: number, callback: () => void): Timer;
}

/** Returns a number in [0, 1), as Math.random. */
export type Random = () => number;

/** Longest delay of a Node timer, milliseconds; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delay, callback) => {
    const timer = setTimeout(callback, Math.min(Math.max(delay, 0), MAX_TIMER_MS));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delay` milliseconds, or as soon as `signal` is aborted. Never rejects. */
export function sleep(clock: Clock, delay: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.schedule(delay, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
