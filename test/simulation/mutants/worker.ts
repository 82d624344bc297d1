/** A worker thread that runs the schedule of each mutant, with the fault and without: it answers with a Verdict for each. */
import { parentPort } from 'node:worker_threads';
import { install, switchOn } from './mutant.ts';
import { MUTANTS } from './mutants.ts';

export interface Verdict {
  readonly name: string;
  /** The reports of the judges without the fault, and with it. */
  readonly without: string | undefined;
  readonly reported: string | undefined;
}

install(MUTANTS);
const { simulate } = await import('../simulation.ts');

for (const { name, plan } of MUTANTS) {
  switchOn(undefined);
  const { breach: without } = await simulate(plan);
  switchOn(name);
  const { breach: reported } = await simulate(plan);
  parentPort?.postMessage({ name, without, reported } satisfies Verdict);
}
