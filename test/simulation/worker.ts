/**
 * A worker thread that runs schedules of one version of the generator, also under a mutant: it receives seeds as messages, and
 * answers each with an Outcome.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { install, switchOn } from './mutants/mutant.ts';
import { MUTANTS } from './mutants/mutants.ts';
import type { Result } from './simulation.ts';

export type Outcome = Pick<Result, 'breach' | 'digest' | 'counts'> & { readonly seed: number };

export interface WorkerData {
  readonly generator: number;
  /** The name of a mutant; absent: none. */
  readonly mutant?: string | undefined;
}

const { generator, mutant } = workerData as WorkerData;
if (mutant !== undefined) {
  install(MUTANTS);
  switchOn(mutant);
}
const { planOf } = await import('./schedule/plan.ts');
const { simulate } = await import('./simulation.ts');

// Simulated errors are created by the thousand, and nobody reads their stack.
Error.stackTraceLimit = 0;

parentPort?.on('message', (seed: number) => {
  simulate(planOf(seed, generator)).then(
    ({ breach, digest, counts }) =>
      parentPort?.postMessage({ seed, breach, digest, counts } satisfies Outcome),
    (error: unknown) => {
      const breach = `the simulation itself failed: ${String(error)}`;
      parentPort?.postMessage({ seed, breach, digest: '', counts: {} } satisfies Outcome);
    },
  );
});
