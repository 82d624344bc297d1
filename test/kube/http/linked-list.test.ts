import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Link, LinkedList } from '../../../src/kube/http/linked-list.ts';

describe('the linked list', () => {
  it('has the entries that were added and not removed since, in their order', () => {
    const changes = fc.array(fc.oneof(fc.constant('add'), fc.nat({ max: 9 })));
    fc.assert(
      fc.property(changes, (steps) => {
        const list = new LinkedList<number>();
        const links: Link<number>[] = [];
        const expected = new Set<number>();
        for (const step of steps) {
          if (step === 'add') {
            links.push(list.add(links.length));
            expected.add(links.length - 1);
          } else {
            const link = links[step];
            if (link !== undefined) list.remove(link);
            expected.delete(step);
          }
        }
        const entries: number[] = [];
        for (let link = list.first; link !== undefined; link = list.first) {
          entries.push(link.value);
          list.remove(link);
        }
        assert.deepEqual(entries, [...expected]);
      }),
    );
  });

  it('leaves a removed link that refers to no other', () => {
    const list = new LinkedList<string>();
    const [a, b, c] = ['a', 'b', 'c'].map((value) => list.add(value));
    assert.ok(a && b && c);
    list.remove(b);
    assert.deepEqual(
      Object.values(b).filter((each) => typeof each === 'object'),
      [],
    );
    assert.deepEqual(list.first, a);
    list.remove(a);
    assert.deepEqual(list.first, c);
  });
});
