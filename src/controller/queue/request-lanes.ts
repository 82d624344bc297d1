/**
 * Lets what is urgent pass: while any of it is under way, everything else sends only a few requests at once, so that
 * the API server answers what somebody waits for first. Without it, a backfill may use all workers.
 */

/** So many requests that are not urgent are under way beside one that is; enough that the API server is never idle. */
const LANES = 8;

/** Sends a request, at once or when its turn has come. */
export type Send = <T>(request: () => Promise<T>) => Promise<T>;

export const atOnce: Send = (request) => request();

export class RequestLanes {
  #urgent = 0;
  #underWay = 0;
  readonly #waiting: (() => void)[] = [];

  /** Runs `work` as urgent: its own requests wait for nobody. */
  async runForeground<T>(work: () => Promise<T>): Promise<T> {
    this.#urgent += 1;
    try {
      return await work();
    } finally {
      this.#urgent -= 1;
      if (this.#urgent === 0) for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** Sends a request that is not urgent. Those that wait go on in the order in which they came. */
  readonly sendBackground: Send = async (request) => {
    while (this.#urgent > 0 && this.#underWay >= LANES)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#underWay += 1;
    try {
      return await request();
    } finally {
      this.#underWay -= 1;
      this.#waiting.shift()?.();
    }
  };
}
