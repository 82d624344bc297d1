/** Schedules with a network engine, each made for one fault. */
import assert from 'node:assert/strict';
import { NO_FAULTS } from '../faults/rates.ts';
import type { Action, Plan, Round } from '../schedule/actions.ts';
import type { EngineScene } from './actions.ts';
import { GENERATOR } from '../schedule/plan.ts';
import { simulate } from '../simulation.ts';

const KIND = 'networkpolicies.projectcalico.org';

let ids = 0;
const round = (...actions: readonly Action[]): Round => ({
  rates: NO_FAULTS,
  isQuiet: false,
  steps: actions.map((action) => ({ id: ids++, after: 100, action })),
});
const planOf = (engine: EngineScene, ...rounds: readonly Round[]): Plan => ({
  seed: 1,
  generator: GENERATOR,
  concurrency: 1,
  resyncMs: 0,
  hasStandby: false,
  rounds,
  hasRollouts: false,
  hasExceptions: false,
  skews: [0],
  engine,
});
const writeProfile = (rules: object): Action => ({
  do: 'write profile',
  name: 'p',
  spec: {
    namespaceSelector: { matchLabels: { 'example.com/member': 'yes' } },
    isolation: ['Ingress'],
    baseline: { dns: 'Deny', sameNamespace: 'Deny', admissionWebhooks: 'Deny' },
    ...rules,
  },
});

describe('simulation of the controller on Calico', () => {
  const write = writeProfile({
    ingress: [{ name: 'in', from: [{ serviceAccount: { namespace: 'a', name: 'one' } }] }],
  });

  it('keeps extensions where the operator restarts under an older definition, and when that is mended', async () => {
    const older: Action = { do: 'definition', kind: KIND, form: 'older' };
    const mended: Action = { do: 'definition', kind: KIND, form: 'current' };
    const { breach, trace } = await simulate(
      planOf(
        { engine: 'Calico', setting: 'Calico' },
        round(write),
        round(older, { do: 'crash' }),
        round(mended),
      ),
      {
        isTraced: true,
      },
    );
    assert.equal(breach, undefined);
    const refused = trace.filter(
      (line) => line.includes('PUT /apis/projectcalico.org') && line.includes(' 400 '),
    );
    assert.ok(refused.length > 0, 'the operator has not tried to write under the older definition');
  });
});

describe('simulation of the controller on Cilium', () => {
  const write = writeProfile({
    ingress: [
      { name: 'one', from: [{ ipBlock: { cidr: '192.0.2.10/32' } }] },
      {
        name: 'two',
        podSelector: { matchLabels: { app: 'a' } },
        from: [{ ipBlock: { cidr: '192.0.2.11/32' } }],
      },
    ],
  });
  const isolated: Action = {
    do: 'foreign object',
    engine: 'Cilium',
    namespace: 'a',
    name: 'theirs',
    isThere: true,
    isIsolating: true,
  };

  for (const [engine, ...first] of [
    [{ engine: 'Cilium', setting: 'Cilium' }],
    [
      { engine: 'Cilium', setting: 'Auto' },
      { do: 'agent', engine: 'Cilium', state: 'starting' },
      { do: 'crash' },
    ],
  ] satisfies readonly (readonly [EngineScene, ...Action[]])[])
    it(`never opens pods that a foreign CiliumNetworkPolicy isolates, with the setting ${engine.setting}`, async () => {
      const { breach, counts } = await simulate(
        planOf(engine, round(...first, isolated, write), round({ do: 'delete profile', name: 'p' })),
      );
      assert.equal(breach, undefined);
      assert.ok((counts['transitions'] ?? 0) > 0, 'the plans needed no transition policies');
    });
});
