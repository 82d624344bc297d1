// Simulates seeds side by side, one thread for each core.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Outcome } from './worker.ts';

/** Nearly all that a schedule makes is garbage at its end. Megabytes, for each thread. */
const YOUNG_GENERATION = 64;

/**
 * Simulates the seeds that `next` gives until it gives none, each in one of `jobs` threads.
 *
 * @param onOutcome told as each one is done, in any order
 */
export async function simulateAll(
  next: () => number | undefined,
  jobs: number,
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  const work = async (): Promise<void> => {
    const first = next();
    if (first === undefined) return;
    const worker = new Worker(new URL('worker.ts', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
    });
    try {
      for (let seed: number | undefined = first; seed !== undefined; seed = next()) {
        worker.postMessage(seed);
        const [outcome] = (await once(worker, 'message')) as [Outcome];
        onOutcome(outcome);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
}
