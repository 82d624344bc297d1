import assert from 'node:assert/strict';
import fc from 'fast-check';
import { peekWatchEvent } from '../../../src/kube/watch/watch-event.ts';

const metadata = { name: 'web', namespace: 'shop', uid: 'b0a8', resourceVersion: '17', generation: 1 };
const line = (type: string, object: object) => JSON.stringify({ type, object });
const policy = (more: object) => ({
  kind: 'NetworkPolicy',
  apiVersion: 'networking.k8s.io/v1',
  metadata: more,
});
const found = { key: 'shop/web', uid: 'b0a8', resourceVersion: '17' };

describe('peekWatchEvent', () => {
  const CASES: readonly (readonly [what: string, line: string, head: object | undefined])[] = [
    ['reads the event of a namespaced object', line('ADDED', policy(metadata)), found],
    [
      'reads the event of a modified object',
      line('MODIFIED', policy({ ...metadata, labels: { a: 'b' } })),
      found,
    ],
    [
      'reads the event of a cluster-scoped object',
      line('ADDED', { kind: 'Node', apiVersion: 'v1', metadata: { ...metadata, namespace: undefined } }),
      { ...found, key: 'web' },
    ],
    [
      'reads the event of an object with a generated name',
      line(
        'ADDED',
        policy({ name: 'web', generateName: 'we', namespace: 'shop', uid: 'b0a8', resourceVersion: '17' }),
      ),
      found,
    ],
    ['does not read the event of a deletion', line('DELETED', policy(metadata)), undefined],
    [
      'does not read an ERROR event',
      line('ERROR', { kind: 'Status', apiVersion: 'v1', metadata }),
      undefined,
    ],
    ['does not read a bookmark', line('BOOKMARK', policy({ resourceVersion: '17' })), undefined],
    [
      'does not read the event of a custom resource, whose fields are sorted',
      line('ADDED', { apiVersion: 'a/v1', kind: 'B', metadata: { labels: {}, ...metadata } }),
      undefined,
    ],
    ['does not read a name with an escape', line('ADDED', policy({ ...metadata, name: 'w"b' })), undefined],
    ['does not read a line that is cut off', line('ADDED', policy(metadata)).slice(0, 90), undefined],
  ];
  for (const [what, text, head] of CASES) {
    it(what, () => {
      assert.deepEqual(peekWatchEvent(text), head);
    });
  }

  it('agrees with the parsed object, for any names', () => {
    const word = fc.string({ unit: 'binary', maxLength: 8 });
    const object = fc.record(
      {
        name: word,
        generateName: word,
        namespace: word,
        uid: word,
        resourceVersion: word,
        labels: fc.dictionary(word, word),
      },
      { requiredKeys: ['name', 'uid', 'resourceVersion'] },
    );
    fc.assert(
      fc.property(object, (each) => {
        const head = peekWatchEvent(line('MODIFIED', policy(each)));
        if (head === undefined) return;
        const key = each.namespace === undefined ? each.name : `${each.namespace}/${each.name}`;
        assert.deepEqual(head, { key, uid: each.uid, resourceVersion: each.resourceVersion });
      }),
    );
  });
});
