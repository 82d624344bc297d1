// A crash before and after every single write of a profile's life: each step is repeated until it ends before the
// write at which the operator was to be killed. `npm test` takes a few of these writes, by seed.
import assert from 'node:assert/strict';
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { Sandbox } from '../support/cluster.ts';
import { Operators } from '../support/operator.ts';
import { dice } from './model.ts';
import { prepareRounds, type Rounds } from './rounds.ts';
import { EVERYTHING, SEED, tellReplay } from './seed.ts';
import { Crash } from './troubles.ts';

/** Writes of a step among which `npm test` chooses; each step has at least as many. */
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
/** Objects are created, deleted, changed, and one selects other pods. */
const AFTER = {
  isolation: ['Ingress', 'Egress'],
  baseline: { dns: 'Deny', sameNamespace: 'Allow', admissionWebhooks: 'Deny' },
  ingress: [rule('r1', 'b', '203.0.113.0/25', 'from'), rule('r3', 'a', '198.51.100.0/24', 'from')],
  egress: [rule('r1', 'a', '203.0.113.0/24', 'to'), rule('r2', 'b', '198.51.100.0/24', 'to')],
};

describe('the invariants hold', function () {
  this.timeout(600_000);
  this.bail(true); // a round begins where the one before has settled
  const operators = new Operators();
  tellReplay(() => rounds?.told());
  const roll = dice(SEED);
  let plane: ControlPlane;
  let box: Sandbox;
  let rounds: Rounds | undefined;

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'crashes');
    rounds = await prepareRounds(plane, box, operators, roll);
  });
  after(async () => {
    await rounds?.stop();
    await box.remove();
  });

  /** A profile is created, edited and deleted, with a crash in each; resolves in how many of these one struck. */
  async function life(crash: () => Crash): Promise<number> {
    const all = rounds as Rounds;
    const selected = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': all.crowded } } };
    const crashes = [crash(), crash(), crash()] as const;
    await all.round(crashes[0], (changes) => [changes.write('p', { ...BEFORE, ...selected })]);
    await all.round(crashes[1], (changes) => [changes.write('p', AFTER)]);
    await all.round(crashes[2], (changes) => [changes.remove('p')]);
    return crashes.filter(({ struck }) => struck).length;
  }

  for (const when of ['before', 'after'] as const) {
    if (EVERYTHING) {
      it(`with a crash ${when} every single write`, async () => {
        let turn = 1;
        while ((await life(() => new Crash(turn, when))) > 0) turn += 1;
        assert.ok(turn > FIRST_WRITES, `each step had fewer than ${turn} writes`);
        console.log(`      crashed ${when} write 1 to ${turn - 1} of each step`);
      });
    } else {
      it(`with crashes ${when} some writes`, async () => {
        assert.equal(await life(() => new Crash(1 + roll(FIRST_WRITES), when)), 3);
      });
    }
  }
});
