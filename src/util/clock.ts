/** Time and chance, injected everywhere so that schedules can be replayed. */

/** Something that was scheduled and can be called off. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the epoch. It may jump. */
  now(): number;
  /** Milliseconds since some fixed moment. It never goes back. */
  monotonic(): number;
  /** Runs `callback` once after `delay` milliseconds. A pending timer does not keep the process alive. */
  schedule(delay: number, callback: () => void): Timer;
}

/** A number in [0, 1), as Math.random. */
export type Random = () => number;

/** Longest delay that a Node timer takes; a longer one would fire at once. */
const MAX_TIMER = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delay, callback) => {
    const timer = setTimeout(callback, Math.min(Math.max(delay, 0), MAX_TIMER));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delay` milliseconds, or as soon as `signal` is aborted; it never rejects. */
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
