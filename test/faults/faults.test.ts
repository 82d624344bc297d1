/**
 * The invariants I1 to I8 while profiles, labels, a Service and generated policies change at random, and one fault after
 * the other disturbs the operator. The seed chooses the changes, and the order of the faults.
 */
import assert from 'node:assert/strict';
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { auditedRequests, isRefused } from '../support/audit.ts';
import { Sandbox } from '../support/cluster.ts';
import { Operators } from '../support/operator.ts';
import { dice } from './model.ts';
import { prepareRounds, type Rounds } from './rounds.ts';
import { IS_FULL_SUITE, SEED, printReplayOnFailure } from './seed.ts';
import { faults } from './faults.ts';

/** Rounds before the first fault, so that there are policies. */
const FAULTLESS_ROUNDS = 3;

const roll = dice(SEED);
const shuffled = faults({ all: IS_FULL_SUITE })
  .map((fault) => ({ fault, at: roll(2 ** 30) }))
  .sort((a, b) => a.at - b.at);

describe('operator keeps the invariants', function () {
  this.bail(true); // a round needs the converged cluster of the previous one
  const operators = new Operators();
  printReplayOnFailure(() => rounds?.story());
  let plane: ControlPlane;
  let box: Sandbox;
  let rounds: Rounds | undefined;
  let since: string;

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'faults');
    since = new Date().toISOString();
  });
  after(async () => {
    await rounds?.stop();
    await box.remove();
  });

  it('without faults', async () => {
    rounds = await prepareRounds(plane, box, operators, roll);
    for (let round = 0; round < FAULTLESS_ROUNDS; round++) await rounds.round();
  });

  for (const { fault } of shuffled) it(`with ${fault.name}`, () => rounds?.round(fault));

  it('without a request that its role does not grant', () => {
    assert.deepEqual(auditedRequests(plane, since).filter(isRefused), []);
    const counts = rounds?.counts ?? { revisions: 0 };
    // The number of transition policies varies: it depends on which changes one reconcile sees together.
    assert.ok(
      counts.revisions > 50,
      `the rounds had too few revisions to be of use: ${JSON.stringify(counts)}`,
    );
    console.log(`      seed ${SEED}: ${JSON.stringify(counts)}`);
  });
});
