/**
 * A worker thread that runs schedules of one version of the generator: it receives seeds as messages, and answers each with an
 * Outcome.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { planOf } from './schedule/plan.ts';
import { type Result, simulate } from './simulation.ts';

export type Outcome = Pick<Result, 'breach' | 'digest' | 'counts'> & { readonly seed: number };

// Simulated errors are created by the thousand, and nobody reads their stack.
Error.stackTraceLimit = 0;

parentPort?.on('message', (seed: number) => {
  simulate(planOf(seed, workerData as number)).then(
    ({ breach, digest, counts }) =>
      parentPort?.postMessage({ seed, breach, digest, counts } satisfies Outcome),
    (error: unknown) => {
      const breach = `the simulation itself failed: ${String(error)}`;
      parentPort?.postMessage({ seed, breach, digest: '', counts: {} } satisfies Outcome);
    },
  );
});
