import assert from 'node:assert/strict';
import { counted, listText, shortList } from '../../src/util/list-text.ts';

describe('listText', () => {
  it('joins all items, the last one with "and"', () => {
    assert.deepEqual(
      [[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map((items) => listText(items)),
      ['', 'a', 'a and b', 'a, b and c'],
    );
  });
});

describe('shortList', () => {
  it('names all items up to the most that it may', () => {
    assert.equal(shortList(['a', 'b', 'c']), 'a, b, c');
    assert.equal(shortList([]), '');
  });

  it('counts the items that it does not name', () => {
    assert.equal(shortList(['a', 'b', 'c', 'd']), 'a, b, c and 1 more');
    assert.equal(shortList(['a', 'b', 'c'], { most: 1 }), 'a and 2 more');
  });

  it('counts items beyond those that it is given', () => {
    assert.equal(shortList(['a', 'b'], { total: 10 }), 'a, b and 8 more');
  });
});

describe('counted', () => {
  it('puts the noun in singular for one, else in plural', () => {
    assert.deepEqual(
      [counted(0, 'pod'), counted(1, 'pod'), counted(2, 'pod'), counted(2, 'policy', 'policies')],
      ['0 pods', '1 pod', '2 pods', '2 policies'],
    );
  });
});
