/** The exact comparison of quantities. */
import assert from 'node:assert/strict';
import { isMore } from '../../../src/policy/workloads/quantity.ts';

describe('a quantity', () => {
  const MORE: readonly (readonly [a: string, b: string])[] = [
    ['1', '999m'],
    ['1001m', '1'],
    ['1.5', '1'],
    ['1Ki', '1k'],
    ['1Gi', '1G'],
    ['1025Mi', '1Gi'],
    ['2e3', '1999'],
    ['0.1', '99999u'],
    ['9007199254740993', '9007199254740992'],
    ['1Ei', '1152921504606846975'],
    ['1n', '0'],
    ['0', '-1'],
  ];
  const EQUAL: readonly (readonly [a: string, b: string])[] = [
    ['1', '1000m'],
    ['1.0', '1'],
    ['.5', '500m'],
    ['1024Mi', '1Gi'],
    ['1e3', '1k'],
    ['1.5Gi', '1536Mi'],
    ['10E-1', '1'],
    ['+1', '1'],
  ];
  for (const [a, b] of MORE) {
    it(`${a} is more than ${b}, and not the other way round`, () => {
      assert.equal(isMore(a, b), true);
      assert.equal(isMore(b, a), false);
    });
  }
  for (const [a, b] of EQUAL) {
    it(`${a} is as much as ${b}`, () => {
      assert.equal(isMore(a, b), false);
      assert.equal(isMore(b, a), false);
    });
  }

  it('is refused in another form', () => {
    for (const text of ['', 'x', '1 Gi', '1gi', '1Kib', 'e3'])
      assert.throws(() => isMore(text, '1'), RangeError, text);
  });
});
