/** JSON merge patches, carried out as RFC 7386 has it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isRecord } from '../../src/util/is-record.ts';
import { replacing } from '../../src/util/merge-patch.ts';

function merged(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

describe('merge patch', () => {
  it('makes any object another one', () => {
    const { tree } = fc.letrec((tie) => ({
      tree: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
      value: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.array(fc.integer()), tie('tree')),
    }));
    fc.assert(
      fc.property(tree as fc.Arbitrary<object>, tree as fc.Arbitrary<object>, (before, after) => {
        assert.deepEqual(merged(before, replacing(before, after)), after);
      }),
    );
  });

  it('makes an object of nothing', () => {
    assert.deepEqual(replacing(undefined, { a: 1 }), { a: 1 });
  });
});
