/** Schedules with a network engine, each made for one fault. */
import assert from 'node:assert/strict';
import { NO_FAULTS } from '../faults/rates.ts';
import type { Action, Plan, Round } from '../schedule/actions.ts';
import { GENERATOR } from '../schedule/plan.ts';
import { simulate } from '../simulation.ts';

const KIND = 'networkpolicies.projectcalico.org';

describe('simulation of the controller on Calico', () => {
  let ids = 0;
  const round = (...actions: readonly Action[]): Round => ({
    rates: NO_FAULTS,
    isQuiet: false,
    steps: actions.map((action) => ({ id: ids++, after: 100, action })),
  });
  const write: Action = {
    do: 'write profile',
    name: 'p',
    spec: {
      namespaceSelector: { matchLabels: { 'example.com/member': 'yes' } },
      isolation: ['Ingress'],
      baseline: { dns: 'Deny', sameNamespace: 'Deny', admissionWebhooks: 'Deny' },
      ingress: [{ name: 'in', from: [{ serviceAccount: { namespace: 'a', name: 'one' } }] }],
    },
  };
  const planOf = (...rounds: readonly Round[]): Plan => ({
    seed: 1,
    generator: GENERATOR,
    concurrency: 1,
    resyncMs: 0,
    hasStandby: false,
    rounds,
    hasRollouts: false,
    hasExceptions: false,
    skews: [0],
    engine: { engine: 'Calico', setting: 'Calico' },
  });

  it('keeps extensions where the operator restarts under an older definition, and when that is mended', async () => {
    const older: Action = { do: 'definition', kind: KIND, form: 'older' };
    const mended: Action = { do: 'definition', kind: KIND, form: 'current' };
    const { breach, trace } = await simulate(
      planOf(round(write), round(older, { do: 'crash' }), round(mended)),
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
