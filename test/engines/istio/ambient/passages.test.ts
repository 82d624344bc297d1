import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LabelSelector } from '../../../../src/api/meta.ts';
import { common, isWithin, type Passage } from '../../../../src/engines/istio/ambient/passages.ts';
import { areDisjoint, includesSelector } from '../../../../src/policy/guard/selectors.ts';
import { intersection, selectorKey } from '../../../../src/policy/semantics/selector.ts';
import { runs } from '../../../policy/fixture.ts';

const keys = fc.constantFrom('a', 'b');
const values = fc.constantFrom('x', 'y', 'z');
const selectors: fc.Arbitrary<LabelSelector> = fc.record(
  {
    matchLabels: fc.dictionary(keys, values),
    matchExpressions: fc.array(
      fc.oneof(
        fc.record({
          key: keys,
          operator: fc.constantFrom('In' as const, 'NotIn' as const),
          values: fc.array(values, { minLength: 1, maxLength: 2 }),
        }),
        fc.record({ key: keys, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
      ),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);

describe('passages of a tunnel', () => {
  it('have in common, and include, the labels that the canonical forms of their selectors do', () => {
    const passage = (pods: LabelSelector): Passage => ({
      pods,
      source: { namespaces: {}, pods: {} },
      ports: 'every',
    });
    fc.assert(
      fc.property(selectors, selectors, (a, b) => {
        const both = common(passage(a), passage(b))?.pods;
        // An empty selector is not tried for a contradiction in the other one.
        if (both === undefined) assert.ok(areDisjoint(a, b));
        else assert.equal(selectorKey(both), selectorKey(intersection(a, b)));
        const isIncluded = isWithin(passage(b), [passage(a)], () => ({}));
        if (isIncluded) assert.ok(includesSelector(a, b));
        else assert.ok(!includesSelector(a, b) || areDisjoint(b, b));
      }),
      { numRuns: runs(500) },
    );
  });
});
