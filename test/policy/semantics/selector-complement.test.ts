import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LabelSelector, LabelSelectorRequirement } from '../../../src/api/meta.ts';
import { complement } from '../../../src/policy/semantics/selector-complement.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';

const key = fc.constantFrom('app', 'tier', 'zone');
const value = fc.constantFrom('a', 'b', '');
const requirement: fc.Arbitrary<LabelSelectorRequirement> = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.uniqueArray(value, { minLength: 1 }),
  }),
  fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
);
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  {
    matchLabels: fc.dictionary(key, value, { maxKeys: 2 }),
    matchExpressions: fc.array(requirement, { maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const labels = fc.dictionary(key, fc.constantFrom('a', 'b', 'c', ''), { maxKeys: 3 });

describe('complement', () => {
  it('matches exactly the labels that none of the selectors matches', () => {
    fc.assert(
      fc.property(
        fc.array(selector, { maxLength: 3 }),
        fc.array(labels, { minLength: 5 }),
        (selectors, all) => {
          const left = complement(selectors, 1000);
          assert.ok(left);
          for (const each of all) {
            const matched = selectors.some((one) => matches(one, each));
            assert.equal(
              left.some((one) => matches(one, each)),
              !matched,
              JSON.stringify(each),
            );
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  for (const [name, selectors, left] of [
    ['of no selector is everything', [], [{}]],
    ['of the empty selector is nothing', [{}], []],
    [
      'of one label is every object without it',
      [{ matchLabels: { app: 'web' } }],
      [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }],
    ],
    [
      'of a selector and a narrower one is the complement of the former',
      [{ matchLabels: { app: 'web' } }, { matchLabels: { app: 'web', tier: 'front' } }],
      [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }],
    ],
    [
      'of a contradiction is everything',
      [{ matchExpressions: [{ key: 'a', operator: 'In', values: [] }] }],
      [{}],
    ],
  ] as const) {
    it(name, () => assert.deepEqual(complement(selectors as readonly LabelSelector[], 32), left));
  }

  it('is undefined if it needs more selectors than allowed', () => {
    const pairs = Array.from({ length: 6 }, (_, i) => ({ matchLabels: { [`a${i}`]: 'x', [`b${i}`]: 'x' } }));
    assert.equal(complement(pairs, 32), undefined);
    assert.equal(complement(pairs, 64)?.length, 64);
  });
});
