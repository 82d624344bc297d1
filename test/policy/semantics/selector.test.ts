import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { LabelSelector, SelectorOperator, StringMap } from '../../../src/api/meta.ts';
import {
  canonicalSelector,
  EVERYTHING,
  matches,
  NOTHING,
  selectorKey,
} from '../../../src/policy/semantics/selector.ts';
import { runs } from '../fixture.ts';

const requirement = (key: string, operator: SelectorOperator, ...values: string[]) => ({
  key,
  operator,
  ...(values.length > 0 && { values }),
});
const expressions = (...matchExpressions: ReturnType<typeof requirement>[]): LabelSelector => ({
  matchExpressions,
});

describe('a label selector', () => {
  const cases: [name: string, selector: LabelSelector, labels: StringMap, expected: boolean][] = [
    ['{} matches labels', {}, { app: 'web' }, true],
    ['{} matches no labels at all', {}, {}, true],
    ['empty parts match everything', { matchLabels: {}, matchExpressions: [] }, { app: 'web' }, true],
    ['matchLabels matches the same value', { matchLabels: { app: 'web' } }, { app: 'web', tier: 'x' }, true],
    ['matchLabels refuses another value', { matchLabels: { app: 'web' } }, { app: 'db' }, false],
    ['matchLabels refuses an absent key', { matchLabels: { app: 'web' } }, {}, false],
    [
      'matchLabels with the empty value matches the empty value',
      { matchLabels: { app: '' } },
      { app: '' },
      true,
    ],
    ['matchLabels with the empty value refuses an absent key', { matchLabels: { app: '' } }, {}, false],
    ['matchLabels are ANDed', { matchLabels: { app: 'web', tier: 'front' } }, { app: 'web' }, false],
    ['In matches any of its values', expressions(requirement('app', 'In', 'a', 'b')), { app: 'b' }, true],
    ['In refuses other values', expressions(requirement('app', 'In', 'a', 'b')), { app: 'c' }, false],
    ['In refuses an absent key', expressions(requirement('app', 'In', 'a')), {}, false],
    ['In matches the empty value', expressions(requirement('app', 'In', '')), { app: '' }, true],
    ['In with the empty value refuses an absent key', expressions(requirement('app', 'In', '')), {}, false],
    ['NotIn refuses its values', expressions(requirement('app', 'NotIn', 'a')), { app: 'a' }, false],
    ['NotIn matches other values', expressions(requirement('app', 'NotIn', 'a')), { app: 'b' }, true],
    ['NotIn matches an absent key', expressions(requirement('app', 'NotIn', 'a')), {}, true],
    ['Exists matches any value', expressions(requirement('app', 'Exists')), { app: '' }, true],
    ['Exists refuses an absent key', expressions(requirement('app', 'Exists')), { tier: 'x' }, false],
    [
      'DoesNotExist matches an absent key',
      expressions(requirement('app', 'DoesNotExist')),
      { tier: 'x' },
      true,
    ],
    [
      'DoesNotExist refuses a present key',
      expressions(requirement('app', 'DoesNotExist')),
      { app: '' },
      false,
    ],
    [
      'requirements are ANDed',
      expressions(requirement('app', 'Exists'), requirement('app', 'NotIn', 'a')),
      { app: 'a' },
      false,
    ],
    [
      'matchLabels and matchExpressions are ANDed',
      { matchLabels: { app: 'a' }, matchExpressions: [requirement('tier', 'Exists')] },
      { app: 'a' },
      false,
    ],
    [
      'keys that JavaScript objects inherit are absent',
      expressions(requirement('constructor', 'Exists')),
      {},
      false,
    ],
    [
      'keys that JavaScript objects inherit can be set',
      { matchLabels: { toString: 'x' } },
      { toString: 'x' },
      true,
    ],
    ['keys and values are case-sensitive', { matchLabels: { app: 'Web' } }, { app: 'web' }, false],
  ];
  for (const [name, selector, labels, expected] of cases) {
    it(name, () => assert.equal(matches(selector, labels), expected));
  }
});

describe('the canonical form of a label selector', () => {
  const cases: [name: string, selector: LabelSelector, expected: LabelSelector][] = [
    ['drops empty parts', { matchLabels: {}, matchExpressions: [] }, EVERYTHING],
    [
      'writes In with one value as a label',
      expressions(requirement('a', 'In', 'x')),
      { matchLabels: { a: 'x' } },
    ],
    [
      'sorts values and drops duplicates',
      expressions(requirement('a', 'In', 'y', 'x', 'y')),
      expressions(requirement('a', 'In', 'x', 'y')),
    ],
    [
      'sorts requirements by key',
      expressions(requirement('b', 'Exists'), requirement('a', 'DoesNotExist')),
      expressions(requirement('a', 'DoesNotExist'), requirement('b', 'Exists')),
    ],
    [
      'drops Exists where a value is required',
      { matchLabels: { a: 'x' }, matchExpressions: [requirement('a', 'Exists')] },
      { matchLabels: { a: 'x' } },
    ],
    [
      'intersects In',
      expressions(requirement('a', 'In', 'x', 'y'), requirement('a', 'In', 'y', 'z')),
      { matchLabels: { a: 'y' } },
    ],
    [
      'takes what NotIn refuses out of In',
      expressions(requirement('a', 'In', 'x', 'y', 'z'), requirement('a', 'NotIn', 'x')),
      expressions(requirement('a', 'In', 'y', 'z')),
    ],
    [
      'joins NotIn',
      expressions(requirement('a', 'NotIn', 'y'), requirement('a', 'NotIn', 'x')),
      expressions(requirement('a', 'NotIn', 'x', 'y')),
    ],
    [
      'keeps Exists beside NotIn, which alone holds for an absent key',
      expressions(requirement('a', 'NotIn', 'x'), requirement('a', 'Exists')),
      expressions(requirement('a', 'Exists'), requirement('a', 'NotIn', 'x')),
    ],
    [
      'drops NotIn where the key is absent',
      expressions(requirement('a', 'NotIn', 'x'), requirement('a', 'DoesNotExist')),
      expressions(requirement('a', 'DoesNotExist')),
    ],
    [
      'is NOTHING for two values at once',
      { matchLabels: { a: 'x' }, ...expressions(requirement('a', 'In', 'y')) },
      NOTHING,
    ],
    [
      'is NOTHING for a key both present and absent',
      expressions(requirement('b', 'Exists'), requirement('b', 'DoesNotExist')),
      NOTHING,
    ],
    [
      'is NOTHING where NotIn refuses all that In allows',
      expressions(requirement('a', 'In', 'x'), requirement('a', 'NotIn', 'x')),
      NOTHING,
    ],
    ['is NOTHING for NOTHING', NOTHING, NOTHING],
  ];
  for (const [name, selector, expected] of cases) {
    it(name, () => assert.deepEqual(canonicalSelector(selector), expected));
  }

  // Two keys with two named values each, and a third value ("other") that no selector names: enough to tell any
  // two constraints of this universe apart.
  const key = fc.constantFrom('a', 'b');
  const value = fc.constantFrom('x', 'y');
  const selector: fc.Arbitrary<LabelSelector> = fc.record(
    {
      matchLabels: fc.dictionary(key, value),
      matchExpressions: fc.array(
        fc.oneof(
          fc.record({
            key,
            operator: fc.constantFrom<SelectorOperator>('In', 'NotIn'),
            values: fc.array(value, { minLength: 1, maxLength: 3 }),
          }),
          fc.record({ key, operator: fc.constantFrom<SelectorOperator>('Exists', 'DoesNotExist') }),
        ),
        { maxLength: 4 },
      ),
    },
    { requiredKeys: [] },
  );
  const values = [undefined, 'x', 'y', 'other'];
  const universe: StringMap[] = values.flatMap((a) =>
    values.map((b) => ({ ...(a !== undefined && { a }), ...(b !== undefined && { b }) })),
  );
  const matching = (selector: LabelSelector) => universe.map((labels) => matches(selector, labels));

  it('matches the labels that the selector matches', () => {
    fc.assert(
      fc.property(selector, (selector) => {
        assert.deepEqual(matching(canonicalSelector(selector)), matching(selector));
      }),
      { numRuns: runs(2000) },
    );
  });

  it('is equal for two selectors exactly if they match the same labels', () => {
    fc.assert(
      fc.property(selector, selector, (a, b) => {
        assert.equal(
          selectorKey(a) === selectorKey(b),
          JSON.stringify(matching(a)) === JSON.stringify(matching(b)),
        );
      }),
      { numRuns: runs(5000) },
    );
  });
});
