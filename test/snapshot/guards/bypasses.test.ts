/** The flows that pass a guard by policies before it, against verdicts on single flows with the guard alone and with all policies. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LayerVerdict } from '../../../src/analysis/layers/decision.ts';
import { bypassesOf } from '../../../src/snapshot/guards/bypasses.ts';
import { guardsOf } from '../../../src/snapshot/guards/guards.ts';
import { layersOf, layersOfGuards } from '../../../src/snapshot/layers.ts';
import { runs } from '../../policy/fixture.ts';
import { admin, cases, flowsOf, isListed, snapshotOf, textOf, verdictsOf } from './cases.ts';

/** A pod outside of the guarded namespace, and one within. */
const ACCEPTED = {
  places: [
    { name: 'alpha', labels: {} },
    { name: 'gamma', labels: {} },
  ],
  members: [
    { namespace: 'alpha', name: 'in', labels: {}, ips: ['10.0.0.1'] },
    { namespace: 'gamma', name: 'out', labels: {}, ips: ['10.0.0.2'] },
  ],
  written: [],
  names: ['alpha'] as const,
  opened: [],
  from: [],
  to: [],
  others: [],
};

/** A policy that lets everybody in. */
const ACCEPTING = {
  kind: 'AdminNetworkPolicy',
  spec: {
    priority: 10 as const,
    subject: { namespaces: { matchLabels: { 'kubernetes.io/metadata.name': 'alpha' as const } } },
    ingress: [{ action: 'Allow' as const, from: [{ namespaces: {} }] }],
  },
};

describe('flows that policies before a guard let pass', () => {
  it('are those that it denies, and that pass all the same', () => {
    let found = 0;
    fc.assert(
      fc.property(cases, admin, (given, { kind, spec }) => {
        const first = { kind, spec: { ...spec, priority: 10 } };
        const snapshot = snapshotOf({ ...given, others: [first, ...given.others] });
        const all = guardsOf(snapshot);
        const [guard] = all;
        assert.ok(guard);
        if (guard.object === undefined) return;
        const { of, notCompared } = bypassesOf(guard, all, snapshot);
        assert.deepEqual(notCompared, []);
        const [flows, unclear] = [of.flatMap((each) => each.flows), of.flatMap((each) => each.unclear)];
        const guards = [guard.object];
        const ofGuard = verdictsOf(snapshot, layersOfGuards(snapshot, guards), []);
        const verdictOn = verdictsOf(snapshot, layersOf(snapshot, { asEnforced: true, guards }));
        for (const each of flowsOf(snapshot.pods)) {
          const verdict: LayerVerdict = ofGuard(each) === 'denied' ? verdictOn(each) : 'denied';
          const listed = isListed(flows, each) ? 'allowed' : isListed(unclear, each) ? 'unknown' : 'denied';
          if (verdict === 'allowed') found += 1;
          if (verdict === 'unknown') assert.notEqual(listed, 'denied', textOf(each.from, each.to, each));
          else assert.equal(listed, verdict, textOf(each.from, each.to, each));
        }
      }),
      { numRuns: runs(200), examples: [[ACCEPTED, ACCEPTING]] },
    );
    assert.ok(found > 0);
  });
});
