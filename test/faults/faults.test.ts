// Invariants I1 to I8 while profiles, labels, a Service and generated policies change at random, and everything between
// the operator and the API server goes wrong in turn. The seed decides what changes and which trouble comes when.
import assert from 'node:assert/strict';
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { auditedRequests, isRefused } from '../support/audit.ts';
import { Sandbox } from '../support/cluster.ts';
import { Operators } from '../support/operator.ts';
import { dice } from './model.ts';
import { prepareRounds, type Rounds } from './rounds.ts';
import { EVERYTHING, SEED, tellReplay } from './seed.ts';
import { troubles } from './troubles.ts';

/** Rounds without trouble, so that there is something to lose. */
const PEACEFUL = 3;

const roll = dice(SEED);
const shuffled = troubles(EVERYTHING)
  .map((trouble) => ({ trouble, at: roll(2 ** 30) }))
  .sort((a, b) => a.at - b.at);

describe('the invariants hold', function () {
  this.bail(true); // a round begins where the one before has settled
  const operators = new Operators();
  tellReplay(() => rounds?.told());
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

  it('while nothing but the cluster changes', async () => {
    rounds = await prepareRounds(plane, box, operators, roll);
    for (let round = 0; round < PEACEFUL; round++) await rounds.round();
  });

  for (const { trouble } of shuffled) it(`with ${trouble.name}`, () => rounds?.round(trouble));

  it('after all of it, with nothing asked for that the role does not grant', () => {
    assert.deepEqual(auditedRequests(plane, since).filter(isRefused), []);
    const counts = rounds?.counts ?? { revisions: 0 };
    // How many of them are of short-lived policies depends on which changes were taken together.
    assert.ok(counts.revisions > 50, `too little was seen: ${JSON.stringify(counts)}`);
    console.log(`      seed ${SEED}: ${JSON.stringify(counts)}`);
  });
});
