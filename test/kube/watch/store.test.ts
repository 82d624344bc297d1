// The store against a simple model of the API server, and its special cases.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compareResourceVersions } from '../../../src/kube/watch/resource-version.ts';
import { Store } from '../../../src/kube/watch/store.ts';
import type { StoreChange, Item } from '../../../src/kube/watch/store.ts';
import { World } from './store-model.ts';
import type { Step } from './store-model.ts';
import { runs } from '../../policy/fixture.ts';

const key = fc.constantFrom('a/x', 'c');
const own = fc.boolean();
const which = fc.nat(9);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('write' as const), key, own }),
  fc.record({ do: fc.constant('delete' as const), key, own }),
  fc.record({ do: fc.constant('read' as const), key }),
  fc.record({ do: fc.constantFrom('answer' as const, 'repeat' as const), which }),
  fc.record({ do: fc.constant('watch' as const), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constantFrom('swap' as const, 'beginList' as const, 'endList' as const) }),
);

function item(key: string, resourceVersion: number, uid = `uid-${key}`): Item {
  return { key, uid, resourceVersion: String(resourceVersion) };
}

function storeWithLog(): { store: Store<Item>; log: string[] } {
  const store = new Store<Item>();
  const log: string[] = [];
  const name = (item?: Item) => (item === undefined ? '-' : `${item.key}@${item.resourceVersion}`);
  store.subscribe((change: StoreChange<Item>) =>
    log.push(`${change.origin}: ${name(change.old)} > ${name(change.new)}`),
  );
  return { store, log };
}

describe('Store', () => {
  it('never returns to an older state, keeps our own writes and live reads, and ends as the server, in any order of events, lists and answers', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), fc.boolean(), (steps, answersFirst) => {
        const world = new World();
        for (const step of steps) {
          world.run(step);
          world.check();
        }
        world.settle(answersFirst);
      }),
      { numRuns: runs(3000) },
    );
  });

  it('notifies of each change by the watch, with the old and new item', () => {
    const { store, log } = storeWithLog();
    store.replace([item('a/x', 1)], '1');
    store.upsert(item('a/x', 2));
    store.upsert(item('a/x', 2));
    store.remove(item('a/x', 3));
    assert.deepEqual(log, ['watch: - > a/x@1', 'watch: a/x@1 > a/x@2', 'watch: a/x@2 > -']);
  });

  it('notifies of our own write once, with origin own, and not again for its event', () => {
    const { store, log } = storeWithLog();
    store.replace([], '1');
    store.observe(item('a/x', 2));
    store.upsert(item('a/x', 2));
    store.forget('a/x', 'uid-a/x');
    store.remove(item('a/x', 3));
    assert.deepEqual(log, ['own: - > a/x@2', 'own: a/x@2 > -']);
  });

  it('notifies of the differences between a list and its contents', () => {
    const { store, log } = storeWithLog();
    store.replace([item('a/x', 1), item('a/y', 1), item('b/x', 1)], '1');
    log.length = 0;
    store.replace([item('a/x', 1), item('b/x', 5), item('b/y', 5)], '6');
    assert.deepEqual(log, ['watch: b/x@1 > b/x@5', 'watch: - > b/y@5', 'watch: a/y@1 > -']);
  });

  it('ignores an object that we deleted in an older list, and adds it from a newer list', () => {
    const { store } = storeWithLog();
    store.replace([item('a/x', 1)], '1');
    store.forget('a/x', 'uid-a/x');
    store.replace([item('a/x', 1)], '2');
    assert.equal(store.get('a/x'), undefined);
    store.replace([item('a/x', 1)], '3');
    assert.equal(store.get('a/x')?.resourceVersion, '1');
  });

  it('accepts a list with older revisions than before, as after a restored backup', () => {
    const { store } = storeWithLog();
    store.replace([item('a/x', 100)], '100');
    store.upsert(item('a/x', 110));
    store.remove(item('b/x', 111));
    store.replace([item('a/x', 50), item('b/x', 49)], '60');
    assert.equal(store.get('a/x')?.resourceVersion, '50');
    assert.equal(store.get('b/x')?.resourceVersion, '49');
    store.upsert(item('a/x', 61));
    assert.equal(store.get('a/x')?.resourceVersion, '61');
    store.upsert(item('b/x', 62));
    assert.equal(store.get('b/x')?.resourceVersion, '62', 'although this uid was once deleted');
  });

  it('adds an object from another list, unless its own list is newer and omits it', () => {
    const { store, log } = storeWithLog();
    store.replace([], '50');
    store.upsert(item('c', 40));
    store.addListed(item('c', 40), '49');
    assert.deepEqual(log, []);
    store.addListed(item('c', 40), '50');
    assert.deepEqual(log, ['watch: - > c@40']);
    store.remove(item('c', 60));
    store.addListed(item('c', 40), '59');
    assert.equal(store.get('c'), undefined);
  });

  it('keeps a live read when a list arrives that began before it', () => {
    const { store, log } = storeWithLog();
    store.replace([item('c', 40)], '50');
    store.upsertLive(item('c', 60));
    store.addListed(item('d', 61), '62');
    store.replace([item('c', 40)], '55');
    assert.deepEqual(log, ['watch: - > c@40', 'watch: c@40 > c@60', 'watch: - > d@61']);
    store.replace([item('c', 40)], '55');
    assert.deepEqual(log.slice(3), ['watch: c@60 > c@40', 'watch: d@61 > -'], 'the next list began later');
  });

  it('knows that an object is gone when another takes its name, even without the deletion event', () => {
    const { store } = storeWithLog();
    store.observe(item('a/x', 2, 'first'));
    store.observe(item('a/x', 4, 'second'));
    store.forget('a/x', 'second');
    store.observe(item('a/x', 1, 'first'));
    assert.equal(store.get('a/x'), undefined);
  });

  it('ignores an object in an older list that a new one of ours has replaced', () => {
    const { store } = storeWithLog();
    store.replace([item('a/x', 1, 'first')], '1');
    store.observe(item('a/x', 4, 'second'));
    store.forget('a/x', 'second');
    store.forget('a/x', 'first');
    store.replace([item('a/x', 1, 'first')], '2');
    assert.equal(store.get('a/x'), undefined);
  });

  it('takes another form of an object at the same resourceVersion from an answer or a list, if it is told to compare forms', () => {
    type Formed = Item & { readonly form: string };
    const formed = (form: string): Formed => ({ ...item('a', 2), form });
    const store = new Store<Formed>((a, b) => a.form === b.form);
    const origins: string[] = [];
    store.subscribe(({ origin, new: next }) => origins.push(`${origin}: ${next?.form}`));
    store.replace([formed('defaulted')], '5');
    store.observe(formed('plain'));
    store.observe(formed('plain'));
    assert.equal(store.get('a')?.form, 'plain');
    store.replace([formed('pruned')], '6');
    store.replace([formed('pruned')], '7');
    assert.equal(store.get('a')?.form, 'pruned');
    assert.deepEqual(origins, ['watch: defaulted', 'own: plain', 'watch: pruned']);
  });

  it('returns the objects of a namespace', () => {
    const { store } = storeWithLog();
    store.replace([item('a/x', 1), item('a/y', 1), item('ab/x', 1), item('c', 1)], '1');
    const keys = (namespace: string) => [...store.byNamespace(namespace)].map(({ key }) => key);
    assert.deepEqual(
      [keys('a'), keys('ab'), keys(''), keys('nowhere')],
      [['a/x', 'a/y'], ['ab/x'], ['c'], []],
    );
  });

  it('calls every listener even if one throws, and throws its error to the caller', () => {
    const store = new Store<Item>();
    const seen: string[] = [];
    store.subscribe(() => {
      throw new Error('broken');
    });
    const end = store.subscribe((change) => seen.push(change.new?.key ?? '-'));
    assert.throws(() => store.replace([item('a/x', 1), item('a/y', 1)], '1'), /broken/);
    assert.deepEqual(seen, ['a/x', 'a/y']);
    end();
    assert.throws(() => store.upsert(item('a/x', 2)), /broken/);
    assert.deepEqual(seen, ['a/x', 'a/y']);
  });

  it('remembers a bounded number of deletions', () => {
    const { store } = storeWithLog();
    store.replace([], '1');
    for (let i = 0; i < 10_000; i++) store.remove(item(`a/${i}`, 2 + i));
    store.upsert(item('a/9999', 5));
    assert.equal(store.size, 0, 'a late event of a recent deletion changes nothing');
    store.upsert(item('a/1', 3));
    assert.equal(store.size, 1, 'one of a deletion long ago is not recognised: memory stays bounded');
  });
});

describe('compareResourceVersions', () => {
  it('orders as numbers, beyond what a double can hold', () => {
    const ascending = [
      '',
      '0',
      '9',
      '10',
      '99',
      '9007199254740993',
      '9007199254740994',
      '18446744073709551615',
    ];
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) {
        assert.equal(Math.sign(compareResourceVersions(a, b)), Math.sign(i - j), `${a} against ${b}`);
      }
    }
  });
});
