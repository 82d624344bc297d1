// Runs schedules in a thread of its own: seeds come as messages, and what became of each goes back as one.
import { parentPort } from 'node:worker_threads';
import { planOf } from './schedule/plan.ts';
import { type Result, simulate } from './simulation.ts';

/** What became of a schedule. */
export type Outcome = Pick<Result, 'fault' | 'digest' | 'counts'> & { readonly seed: number };

// Simulated failures are made by the thousand, and nobody reads where.
Error.stackTraceLimit = 0;

parentPort?.on('message', (seed: number) => {
  simulate(planOf(seed)).then(
    ({ fault, digest, counts }) => parentPort?.postMessage({ seed, fault, digest, counts } satisfies Outcome),
    (error: unknown) => {
      const fault = `the simulation itself failed: ${String(error)}`;
      parentPort?.postMessage({ seed, fault, digest: '', counts: {} } satisfies Outcome);
    },
  );
});
