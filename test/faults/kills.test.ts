/**
 * A kill before and after every single write of a profile's life: each step is repeated with the next write until it has
 * no more writes. `npm test` picks a few of these writes, by seed.
 */
import assert from 'node:assert/strict';
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { Sandbox } from '../support/cluster.ts';
import { Operators } from '../support/operator.ts';
import { dice } from './model.ts';
import { prepareRounds, type Rounds } from './rounds.ts';
import { IS_FULL_SUITE, SEED, printReplayOnFailure } from './seed.ts';
import { Kill } from './faults.ts';

/** `npm test` picks among the first writes of a step. Each step has at least as many. */
const FIRST_WRITES = 6;

const rule = (name: string, app: string, peer: string, direction: 'from' | 'to') => ({
  name,
  podSelector: { matchLabels: { app } },
  [direction]: [{ ipBlock: { cidr: peer } }],
});
const BEFORE = {
  isolation: ['Ingress', 'Egress'],
  baseline: { dns: 'Allow', sameNamespace: 'Allow', admissionWebhooks: 'Deny' },
  ingress: [rule('r1', 'a', '203.0.113.0/25', 'from'), rule('r2', 'b', '198.51.100.0/24', 'from')],
  egress: [rule('r1', 'a', '203.0.113.0/25', 'to')],
};
/** From BEFORE to AFTER, policies are created, deleted and changed, and one selects other pods. */
const AFTER = {
  isolation: ['Ingress', 'Egress'],
  baseline: { dns: 'Deny', sameNamespace: 'Allow', admissionWebhooks: 'Deny' },
  ingress: [rule('r1', 'b', '203.0.113.0/25', 'from'), rule('r3', 'a', '198.51.100.0/24', 'from')],
  egress: [rule('r1', 'a', '203.0.113.0/24', 'to'), rule('r2', 'b', '198.51.100.0/24', 'to')],
};

describe('operator keeps the invariants', function () {
  this.timeout(600_000);
  this.bail(true); // a round needs the converged cluster of the previous one
  const operators = new Operators();
  printReplayOnFailure(() => rounds?.story());
  const roll = dice(SEED);
  let plane: ControlPlane;
  let box: Sandbox;
  let rounds: Rounds | undefined;

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'kills');
    rounds = await prepareRounds(plane, box, operators, roll);
  });
  after(async () => {
    await rounds?.stop();
    await box.remove();
  });

  /** Creates, edits and deletes a profile, with a kill in each step. Returns the number of steps with so many writes. */
  async function liveOnce(kill: () => Kill): Promise<number> {
    const all = rounds as Rounds;
    const selected = {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': all.contestedNamespace } },
    };
    const kills = [kill(), kill(), kill()] as const;
    await all.round(kills[0], (changes) => [changes.write('p', { ...BEFORE, ...selected })]);
    await all.round(kills[1], (changes) => [changes.write('p', AFTER)]);
    await all.round(kills[2], (changes) => [changes.remove('p')]);
    return kills.filter(({ hasStruck }) => hasStruck).length;
  }

  for (const when of ['before', 'after'] as const) {
    if (IS_FULL_SUITE) {
      it(`with a kill ${when} every single write`, async () => {
        let turn = 1;
        while ((await liveOnce(() => new Kill(turn, when))) > 0) turn += 1;
        assert.ok(turn > FIRST_WRITES, `each step had fewer than ${turn} writes`);
        console.log(`      killed ${when} write 1 to ${turn - 1} of each step`);
      });
    } else {
      it(`with kills ${when} some writes`, async () => {
        assert.equal(await liveOnce(() => new Kill(1 + roll(FIRST_WRITES), when)), 3);
      });
    }
  }
});
