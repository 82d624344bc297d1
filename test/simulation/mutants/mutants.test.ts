/** The judges of the simulation report deliberate faults of the operator. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { MUTANTS } from './mutants.ts';
import type { Verdict } from './worker.ts';

describe('simulation of an operator with a deliberate fault', () => {
  const verdicts = new Map<string, Verdict>();

  // The changed code is loaded in a thread of its own.
  before(async () => {
    const worker = new Worker(new URL('worker.ts', import.meta.url));
    worker.on('message', (verdict: Verdict) => verdicts.set(verdict.name, verdict));
    await once(worker, 'exit');
  });

  for (const { name, reported } of MUTANTS)
    it(`reports the invariant that is broken where ${name}`, () => {
      const verdict = verdicts.get(name);
      assert.ok(verdict, 'the schedule has not run');
      assert.equal(verdict.without, undefined, 'the schedule breaks an invariant without the fault');
      assert.match(verdict.reported ?? 'every invariant was kept', reported);
    });
});
