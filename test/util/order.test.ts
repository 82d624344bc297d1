import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compareText, smallest } from '../../src/util/order.ts';

describe('compareText', () => {
  it('orders by code unit, whatever the locale', () => {
    assert.deepEqual(['ä', 'b', 'a', 'B'].toSorted(compareText), ['B', 'a', 'b', 'ä']);
    assert.equal(compareText('a', 'a'), 0);
  });
});

describe('smallest', () => {
  it('returns the first texts in order, as sorting all of them would', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 3 })), fc.integer({ min: 0, max: 5 }), (texts, count) => {
        assert.deepEqual(smallest(texts, count), texts.toSorted(compareText).slice(0, count));
      }),
    );
  });
});
