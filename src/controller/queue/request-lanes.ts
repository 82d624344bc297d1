/**
 * Gives way to urgent reconciles: while one runs, all others together send only a few requests at once, so that the API
 * server answers the urgent requests first. Otherwise a backfill could use all workers.
 */

/** Most background requests beside an urgent reconcile; enough that the API server is never idle. */
const BACKGROUND_LANES = 8;

/** Sends a request, at once or when a lane is free. */
export type Send = <T>(request: () => Promise<T>) => Promise<T>;

export const atOnce: Send = (request) => request();

export class RequestLanes {
  /** How many urgent reconciles run. */
  #foreground = 0;
  /** How many background requests are under way. */
  #background = 0;
  readonly #waiting: (() => void)[] = [];

  /** Runs an urgent reconcile. It sends its requests by `atOnce`. */
  async runForeground<T>(reconcile: () => Promise<T>): Promise<T> {
    this.#foreground += 1;
    try {
      return await reconcile();
    } finally {
      this.#foreground -= 1;
      if (this.#foreground === 0) for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** Sends a request that is not urgent. Waiting requests go on in the order in which they came. */
  readonly sendBackground: Send = async (request) => {
    while (this.#foreground > 0 && this.#background >= BACKGROUND_LANES)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#background += 1;
    try {
      return await request();
    } finally {
      this.#background -= 1;
      this.#waiting.shift()?.();
    }
  };
}
