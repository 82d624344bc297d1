/** The flows that a guard cuts and opens, against verdicts on single flows without the guard and with it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cutsOf } from '../../../src/snapshot/guards/cuts.ts';
import { guardsOf, type SnapshotGuard } from '../../../src/snapshot/guards/guards.ts';
import { layersOf, layersOfGuards } from '../../../src/snapshot/layers.ts';
import type { Snapshot } from '../../../src/snapshot/snapshot.ts';
import { runs } from '../../policy/fixture.ts';
import { cases, flowsOf, isListed, snapshotOf, textOf, verdictsOf } from './cases.ts';

function layersBeside(snapshot: Snapshot, { object }: SnapshotGuard, isLayered: boolean) {
  const guards = object === undefined ? [] : [object];
  return isLayered
    ? [[], guards].map((each) => layersOf(snapshot, { asEnforced: true, guards: each }))
    : [undefined, layersOfGuards(snapshot, guards)];
}

describe('flows that a guard changes', () => {
  for (const isLayered of [false, true])
    it(`are those on which the verdicts of ${isLayered ? 'policies of all kinds' : 'NetworkPolicies'} differ without it and with it`, () => {
      fc.assert(
        fc.property(cases, (given) => {
          const snapshot = snapshotOf(given);
          const [guard] = guardsOf(snapshot);
          assert.ok(guard);
          const flows = cutsOf([guard], snapshot, { isLayered }).of.get(guard);
          const [without, withGuard] = layersBeside(snapshot, guard, isLayered).map((layers) =>
            verdictsOf(snapshot, layers),
          );
          for (const each of flowsOf(snapshot.pods)) {
            const listed = [
              ...(isListed(flows?.cuts ?? [], each) ? ['allowed to denied'] : []),
              ...(isListed(flows?.opens ?? [], each) ? ['denied to allowed'] : []),
              ...(isListed(flows?.unclear ?? [], each) ? ['unclear'] : []),
            ];
            const [before, after] = [without?.(each), withGuard?.(each)];
            const isUnclear = [before, after].includes('unknown');
            const change = isUnclear ? 'unclear' : `${before} to ${after}`;
            assert.deepEqual(listed, before === after ? [] : [change], textOf(each.from, each.to, each));
          }
        }),
        { numRuns: runs(60) },
      );
    });
});
