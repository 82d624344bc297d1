import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Dependents } from '../../../src/cluster-state/peer-sources/dependents.ts';

describe('the dependents of a dependency', () => {
  it('are the namespaces that were added and not deleted since, as in a set', () => {
    const names = fc.constantFrom('a', 'b', 'c');
    const changes = fc.array(fc.record({ verb: fc.constantFrom('add', 'delete'), name: names }));
    fc.assert(
      fc.property(changes, (steps) => {
        const dependents = new Dependents();
        const expected = new Set<string>();
        for (const { verb, name } of steps) {
          dependents[verb](name);
          expected[verb](name);
          assert.deepEqual(new Set(dependents), expected);
          assert.equal(dependents.isEmpty, expected.size === 0);
        }
      }),
    );
  });
});
