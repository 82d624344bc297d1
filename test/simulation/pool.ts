/** Runs seeds in parallel, in worker threads. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Outcome, WorkerData } from './worker.ts';

/** Megabytes for each thread. Large, as nearly all objects of a schedule are garbage at its end. */
const YOUNG_GENERATION_MB = 64;

/**
 * Simulates the seeds that `next` returns, until it returns undefined in several threads.
 *
 * @param options `jobs`: the number of threads; `generator`: the version of the generator of schedules; `mutant`: the name of the
 * mutant that they run under
 * @param onOutcome called for each seed when it is done, in any order
 */
export async function simulateAll(
  next: () => number | undefined,
  { jobs, generator, mutant }: WorkerData & { readonly jobs: number },
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  const work = async (): Promise<void> => {
    const first = next();
    if (first === undefined) return;
    const worker = new Worker(new URL('worker.ts', import.meta.url), {
      workerData: { generator, mutant } satisfies WorkerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
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
