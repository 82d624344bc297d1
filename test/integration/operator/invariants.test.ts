// Invariants I1, I2 and I8 on the real API server, while profiles, labels, a Service and generated policies change at
// random and operators are killed. SEED=N repeats the choices (not the timing), INVARIANTS_SECONDS=N runs for longer.
import assert from 'node:assert/strict';
import type { Pod } from '../../../src/analysis/cluster.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../../src/api/network-policy.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/shared.ts';
import { Sandbox } from '../../support/cluster.ts';
import { Operators } from '../../support/operator.ts';
import { Judge } from './judge.ts';
import { dice } from './model.ts';
import { prepareRounds, type Rounds } from './rounds.ts';

const DURATION = Number(process.env['INVARIANTS_SECONDS'] ?? 20) * 1000; // ms
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe('the operator, while everything changes and it is killed,', function () {
  this.timeout(DURATION + 60_000);
  const operators = new Operators();
  let plane: ControlPlane;
  let box: Sandbox;

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'invariants');
  });
  afterEach(() => box.remove());

  it('is never wider than before or after, never cuts what both allow, and settles', async () => {
    let rounds: Rounds | undefined;
    try {
      rounds = await prepareRounds(plane, box, operators, dice(SEED));
      const end = performance.now() + DURATION;
      while (performance.now() < end) await rounds.round();
      await rounds.finish();
      const { counts } = rounds;
      const enough = counts.revisions > 50 && counts.transitions > 2 && counts.kills > 1;
      assert.ok(enough, `it saw too little to be of use: ${JSON.stringify(counts)}`);
    } catch (error) {
      console.error(`SEED=${SEED}, ${rounds?.told()}`);
      throw error;
    } finally {
      await rounds?.stop();
    }
    console.log(`      SEED=${SEED} ${JSON.stringify(rounds?.counts)}`);
  });
});

describe('the judge of the invariants', () => {
  const pod: Pod = { namespace: 'shop', name: 'web', labels: {}, ips: ['10.0.0.1'] };
  const judge = new Judge([pod]);
  const labels = new Map([['shop', {}]]);
  const policy = (name: string, spec: NetworkPolicySpec): NetworkPolicy => ({
    metadata: { name, namespace: 'shop' },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ...spec },
  });
  const deny = policy('deny', {});
  const some = policy('some', { ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.7/32' } }] }] });
  const other = policy('other', { ingress: [{ from: [{ ipBlock: { cidr: '198.51.100.1/32' } }] }] });
  const all = policy('all', { ingress: [{}] });
  const CASES: readonly (readonly [
    what: string,
    now: NetworkPolicy[],
    refs: NetworkPolicy[][],
    fault?: RegExp,
  ])[] = [
    ['what is as before', [deny, some], [[deny, some], [deny]]],
    ['what is as intended', [deny], [[], [deny]]],
    ['what lies between', [deny, some], [[], [deny]]],
    [
      'a deny that comes before what it is to allow',
      [deny],
      [[], [deny, some]],
      /I2, cut: Ingress.*203\.0\.113\.7/,
    ],
    ['a rule that goes before its successor comes', [deny], [[deny, some], [some]], /I2, cut/],
    [
      'an opening that nobody wants',
      [deny, all],
      [
        [deny, some],
        [deny, other],
      ],
      /I1, wider.*203\.0\.113\.129/,
    ],
    ['a deny that is taken away', [], [[deny], [deny, some]], /I1, wider/],
  ];
  for (const [what, now, references, fault] of CASES) {
    it(`${fault ? 'objects to' : 'accepts'} ${what}`, () => {
      assert.match(judge.fault('shop', now, references, labels) ?? '', fault ?? /^$/);
    });
  }
});
