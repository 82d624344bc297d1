// The reflector through everything that can happen to its lists and watches, on a virtual clock.
import assert from 'node:assert/strict';
import { ApiError } from '../../../src/kube/errors.ts';
import { Reflector } from '../../../src/kube/watch/reflector.ts';
import type { ListInfo, ReflectorOptions } from '../../../src/kube/watch/reflector.ts';
import { Store } from '../../../src/kube/watch/store.ts';
import type { Item } from '../../../src/kube/watch/store.ts';
import { VirtualClock, flush } from '../../support/virtual-clock.ts';
import { ScriptedTransport } from '../scripted-transport.ts';
import { errorMessage } from '../../../src/util/error-message.ts';

const PATH = '/api/v1/things';

interface Raw {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
}

function thing(name: string, revision: number): Raw {
  return { metadata: { name, uid: `uid-${name}`, resourceVersion: String(revision) } };
}
const added = (name: string, revision: number) => ({ type: 'ADDED', object: thing(name, revision) });
const modified = (name: string, revision: number) => ({ type: 'MODIFIED', object: thing(name, revision) });
const deleted = (name: string, revision: number) => ({ type: 'DELETED', object: thing(name, revision) });
const bookmark = (revision: number) => ({
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion: String(revision) } },
});
const listEnd = (revision: number) => ({
  type: 'BOOKMARK',
  object: {
    metadata: { resourceVersion: String(revision), annotations: { 'k8s.io/initial-events-end': 'true' } },
  },
});
const page = (revision: number, names: readonly string[], next?: string) => ({
  metadata: { resourceVersion: String(revision), ...(next === undefined ? {} : { continue: next }) },
  items: names.map((name) => thing(name, 1)),
});
const errorEvent = (code: number, reason: string) => ({
  type: 'ERROR',
  object: { kind: 'Status', code, reason, message: 'so it is' },
});

function failure(status: number, reason: string, more: { retryAfterMs?: number } = {}): ApiError {
  return new ApiError({ method: 'GET', path: PATH, status, reason, message: 'so it is', ...more });
}

class Fixture {
  readonly clock = new VirtualClock();
  readonly server = new ScriptedTransport();
  readonly store = new Store<Item>();
  readonly errors: { message: string; retryIn: number }[] = [];
  readonly lists: ListInfo[] = [];
  readonly reflector: Reflector<Item>;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: Partial<ReflectorOptions<Item>> = {}) {
    this.reflector = new Reflector<Item>({
      transport: this.server,
      path: PATH,
      project: (raw) => {
        const { name, uid, resourceVersion } = (raw as Raw).metadata;
        return { key: name, uid, resourceVersion };
      },
      sink: this.store,
      clock: this.clock,
      random: () => 0.5,
      onError: (error, retryIn) => {
        this.errors.push({ message: errorMessage(error), retryIn });
      },
      onList: (list) => this.lists.push(list),
      ...options,
    });
    this.#running = this.reflector.run(this.#abort.signal);
  }

  get names(): string[] {
    return [...this.store.values()].map(({ key }) => key).sort();
  }

  /** Streams a first list of `names` at revision 10; the watch goes on. */
  async synced(...names: string[]) {
    const watch = await this.server.next('watch');
    watch.send(...names.map((name) => added(name, 1)), listEnd(10));
    await flush();
    return watch;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    assert.deepEqual(await this.server.waiting(), [], 'nothing is asked after the end');
    assert.equal(this.clock.pending, 0, 'no timer is left behind');
  }
}

describe('Reflector', () => {
  let fixture: Fixture;
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.stop());

  describe('listing', () => {
    it('streams the list and watches on in the same request', async () => {
      const { server, store, reflector } = fixture;
      const watch = await server.next('watch');
      assert.deepEqual(watch.query, {
        watch: true,
        allowWatchBookmarks: true,
        sendInitialEvents: true,
        resourceVersionMatch: 'NotOlderThan',
        timeoutSeconds: 450,
      });
      assert.equal(watch.stallMs, 90_000);
      watch.send(added('a', 1), added('b', 2), added('c', 3), modified('a', 4), deleted('c', 5));
      await flush();
      assert.equal(reflector.hasSynced, false);
      assert.equal(store.size, 0, 'nothing is delivered before the list is complete');
      watch.send(listEnd(6));
      await reflector.synced;
      assert.equal(reflector.hasSynced, true);
      assert.deepEqual(fixture.names, ['a', 'b']);
      assert.equal(store.get('a')?.resourceVersion, '4');
      watch.send(added('d', 7), deleted('b', 8));
      await flush();
      assert.deepEqual(fixture.names, ['a', 'd']);
    });

    it('delivers an empty list at the start', async () => {
      await fixture.synced();
      assert.equal(fixture.reflector.hasSynced, true);
    });

    for (const status of [400, 422]) {
      it(`reads pages where the server refuses a streamed list with ${status}, from then on`, async () => {
        const { server } = fixture;
        (await server.next('watch')).fail(failure(status, 'Invalid'));
        const first = await server.next('list');
        assert.deepEqual(first.query, { limit: 500, continue: undefined });
        first.answer(page(10, ['a', 'b'], 'token'));
        const second = await server.next('list');
        assert.deepEqual(second.query, { limit: 500, continue: 'token' });
        second.answer(page(10, ['c']));
        const watch = await server.next('watch');
        assert.equal(watch.query['resourceVersion'], '10');
        assert.deepEqual(fixture.names, ['a', 'b', 'c']);
        watch.send(errorEvent(410, 'Expired'));
        await fixture.clock.advance(1000);
        (await server.next('list')).answer(page(20, ['a']));
        await flush();
        assert.deepEqual(
          fixture.lists.map(({ how }) => how),
          ['paged', 'paged'],
        );
        assert.equal((await server.next('watch')).query['sendInitialEvents'], undefined);
      });
    }

    it('reads pages where the server ignores that the list is to be streamed', async () => {
      const { server } = fixture;
      const watch = await server.next('watch');
      watch.send(added('a', 1), bookmark(5));
      (await server.next('list')).answer(page(10, ['a']));
      await flush();
      assert.equal(watch.closed, true);
      assert.deepEqual(fixture.names, ['a']);
      await server.next('watch');
    });

    it('reads pages where a streamed list stalls', async () => {
      const { server } = fixture;
      const watch = await server.next('watch');
      watch.send(added('a', 1));
      watch.fail(failure(0, 'Stalled'));
      (await server.next('list')).answer(page(10, ['a']));
      await server.next('watch');
      assert.deepEqual(fixture.names, ['a']);
    });

    it('begins the pages anew where their token expires midway', async () => {
      const { server } = fixture;
      (await server.next('watch')).fail(failure(422, 'Invalid'));
      (await server.next('list')).answer(page(10, ['gone'], 'token'));
      (await server.next('list')).fail(failure(410, 'Expired'));
      const again = await server.next('list');
      assert.equal(again.query['continue'], undefined);
      again.answer(page(20, ['a']));
      await server.next('watch');
      assert.deepEqual(fixture.names, ['a']);
    });

    it('does not follow a token that leads to itself', async () => {
      const { server } = fixture;
      (await server.next('watch')).fail(failure(422, 'Invalid'));
      (await server.next('list')).answer(page(10, ['a'], 'token'));
      (await server.next('list')).answer(page(10, ['a'], 'token'));
      assert.deepEqual(await server.waiting(), []);
      assert.match(fixture.errors[0]?.message ?? '', /Malformed: the page leads to itself/);
      assert.deepEqual(fixture.names, []);
    });

    it('backs off where the tokens expire again and again', async () => {
      const { server } = fixture;
      (await server.next('watch')).fail(failure(422, 'Invalid'));
      for (let i = 0; i < 4; i++) (await server.next('list')).fail(failure(410, 'Expired'));
      assert.deepEqual(await server.waiting(), []);
      await fixture.clock.advance(800);
      await server.next('list');
    });

    it('refuses what is no list, and takes null for no items', async () => {
      const { server } = fixture;
      (await server.next('watch')).fail(failure(422, 'Invalid'));
      (await server.next('list')).answer({ kind: 'Status' });
      await flush();
      assert.match(fixture.errors[0]?.message ?? '', /Malformed: not a list: {"kind":"Status"}/);
      await fixture.clock.advance(800);
      (await server.next('list')).answer({ metadata: { resourceVersion: '3' }, items: null });
      await flush();
      assert.equal(fixture.reflector.hasSynced, true);
      await server.next('watch');
    });

    it('tries the other way after a failure, so that what breaks one does not keep it blind', async () => {
      const { server, clock } = fixture;
      (await server.next('watch')).send('garbage');
      await clock.advance(800);
      (await server.next('list')).fail(failure(500, 'InternalError'));
      await clock.advance(1600);
      await server.next('watch');
    });
  });

  describe('an empty list while something is held', () => {
    it('is confirmed by pages before it is believed, when it was streamed', async () => {
      const { server } = fixture;
      (await fixture.synced('a')).send(errorEvent(410, 'Expired'));
      await fixture.clock.advance(1000);
      (await server.next('watch')).send(listEnd(20));
      const second = await server.next('list');
      assert.deepEqual(fixture.names, ['a'], 'one empty list deletes nothing');
      second.answer(page(21, []));
      await server.next('watch');
      assert.deepEqual(fixture.names, []);
    });

    it('is not believed when the second one says otherwise', async () => {
      const { server, store } = fixture;
      const removed: string[] = [];
      (await fixture.synced('a', 'b')).send(errorEvent(410, 'Expired'));
      store.subscribe((change) => removed.push(change.new?.key ?? `-${change.old?.key}`));
      await fixture.clock.advance(1000);
      (await server.next('watch')).send(listEnd(20));
      (await server.next('list')).answer(page(21, ['a', 'b']));
      assert.equal((await server.next('watch')).query['resourceVersion'], '21');
      assert.deepEqual(removed, []);
    });

    it('is confirmed when it came in pages, also where only events filled the sink', async () => {
      const { server } = fixture;
      (await server.next('watch')).fail(failure(422, 'Invalid'));
      (await server.next('list')).answer(page(10, []));
      (await server.next('watch')).send(added('a', 11), errorEvent(410, 'Expired'));
      await fixture.clock.advance(1000);
      (await server.next('list')).answer(page(20, []));
      const second = await server.next('list');
      assert.deepEqual(fixture.names, ['a']);
      second.answer(page(21, []));
      await server.next('watch');
      assert.deepEqual(fixture.names, []);
    });

    it('that can not be confirmed is not delivered', async () => {
      const { server } = fixture;
      (await fixture.synced('a')).send(errorEvent(410, 'Expired'));
      await fixture.clock.advance(1000);
      (await server.next('watch')).send(listEnd(20));
      (await server.next('list')).fail(failure(503, 'ServiceUnavailable'));
      await flush();
      assert.deepEqual(fixture.names, ['a']);
    });
  });

  describe('watching', () => {
    it('resumes from the last event or bookmark', async () => {
      const { server, clock } = fixture;
      const watch = await fixture.synced('a');
      watch.send(modified('a', 11));
      await clock.advance(60_000);
      watch.fail(failure(0, 'Transport'));
      await clock.advance(800);
      const second = await server.next('watch');
      assert.deepEqual(second.query, {
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: '11',
        timeoutSeconds: 450,
      });
      second.send(bookmark(99));
      await clock.advance(60_000);
      second.end();
      assert.equal(
        (await server.next('watch')).query['resourceVersion'],
        '99',
        'at once, as it ended in order',
      );
      assert.equal(fixture.lists.length, 1);
    });

    it('spreads the timeouts of its watches from 5 to 10 minutes', async () => {
      const seconds: unknown[] = [];
      for (const random of [0, 0.999_999]) {
        const other = new Fixture({ random: () => random });
        seconds.push((await other.server.next('watch')).query['timeoutSeconds']);
        await other.stop();
      }
      assert.deepEqual(seconds, [300, 599]);
      await fixture.server.next('watch');
    });

    it('passes on repeated and late events', async () => {
      const { store } = fixture;
      const watch = await fixture.synced('a');
      watch.send(modified('a', 12), modified('a', 11), modified('a', 12));
      await flush();
      assert.equal(store.get('a')?.resourceVersion, '12');
    });

    for (const [name, cause] of [
      ['in the stream', 'event'],
      ['over HTTP', 'http'],
    ] as const) {
      it(`lists anew where its revision is gone, told ${name}`, async () => {
        const { server, clock } = fixture;
        const watch = await fixture.synced('a');
        await clock.advance(60_000);
        if (cause === 'event') watch.send(errorEvent(410, 'Expired'));
        else {
          watch.end();
          (await server.next('watch')).fail(failure(410, 'Gone'));
        }
        await clock.advance(1000);
        const list = await server.next('watch');
        assert.equal(list.query['sendInitialEvents'], true);
        assert.equal(list.query['resourceVersion'], undefined, 'a consistent read');
        list.send(added('b', 20), listEnd(21));
        await flush();
        assert.deepEqual(fixture.names, ['b']);
      });
    }

    it('resumes after an ERROR event of another kind', async () => {
      const { server, clock } = fixture;
      (await fixture.synced('a')).send(errorEvent(500, 'InternalError'));
      await clock.advance(800);
      assert.equal((await server.next('watch')).query['resourceVersion'], '10');
      assert.match(fixture.errors[0]?.message ?? '', /500 InternalError: so it is/);
    });

    for (const [name, value] of [
      ['a string', 'garbage'],
      ['null', null],
      ['an event without an object', { type: 'ADDED' }],
      ['an object without a resourceVersion', { type: 'ADDED', object: { metadata: { name: 'x' } } }],
      [
        'an object without a name',
        { type: 'ADDED', object: { metadata: { uid: 'u', resourceVersion: '11' } } },
      ],
      ['an unknown type', { type: 'RENAMED', object: thing('x', 11) }],
      ['an ERROR without a Status', { type: 'ERROR', object: 'x' }],
    ] as const) {
      it(`resumes after ${name} in the stream, and lists when it comes again`, async () => {
        const { server, clock } = fixture;
        (await fixture.synced('a')).send(value);
        await clock.advance(800);
        const second = await server.next('watch');
        assert.equal(second.query['resourceVersion'], '10');
        second.send(value);
        await clock.advance(1600);
        const third = await server.next('watch');
        assert.equal(third.query['sendInitialEvents'], true);
        assert.equal(fixture.errors.length, 2);
        assert.match(fixture.errors[0]?.message ?? '', /Malformed/);
        assert.deepEqual(fixture.names, ['a'], 'what is held stays');
      });
    }

    it('survives a projection and a sink that throw', async () => {
      const broken = new Fixture({
        project: () => {
          throw new TypeError('unexpected shape');
        },
      });
      (await broken.server.next('watch')).send(added('a', 1));
      await broken.clock.advance(0);
      assert.deepEqual(broken.errors, [{ message: 'unexpected shape', retryIn: 750 }]);
      await broken.stop();
      await fixture.server.next('watch');
    });

    it('resumes after a stall, and lists once five attempts failed at the same revision', async () => {
      const { server, clock } = fixture;
      (await fixture.synced('a')).fail(failure(0, 'Stalled'));
      for (let attempt = 1; attempt < 5; attempt++) {
        await clock.advance(30_000);
        const watch = await server.next('watch');
        assert.equal(watch.query['resourceVersion'], '10', `attempt ${attempt}`);
        watch.fail(failure(0, 'Transport'));
      }
      await clock.advance(30_000);
      await server.next('list');
      assert.deepEqual(fixture.names, ['a']);
    });

    it('lists anew at the interval that was asked for, at the end of a watch', async () => {
      const other = new Fixture({ relistMs: 3_600_000 });
      const watch = await other.synced('a');
      await other.clock.advance(600_000);
      watch.end();
      const second = await other.server.next('watch');
      assert.equal(second.query['resourceVersion'], '10');
      await other.clock.advance(3_100_000);
      second.end();
      assert.equal((await other.server.next('watch')).query['sendInitialEvents'], true);
      await other.stop();
      await fixture.server.next('watch');
    });

    it('keeps what a list that is due shows again', async () => {
      const other = new Fixture({ relistMs: 60_000 });
      const watch = await other.synced('a', 'b');
      await other.clock.advance(61_000);
      watch.end();
      const list = await other.server.next('watch');
      list.send(added('a', 1), listEnd(20));
      await flush();
      assert.deepEqual(other.names, ['a']);
      await other.stop();
      await fixture.server.next('watch');
    });

    it('goes on watching where a list that is due fails', async () => {
      const other = new Fixture({ relistMs: 60_000 });
      const watch = await other.synced('a');
      await other.clock.advance(61_000);
      watch.end();
      const list = await other.server.next('watch');
      assert.equal(list.query['sendInitialEvents'], true);
      list.fail(failure(503, 'ServiceUnavailable'));
      await other.clock.advance(10_000);
      const next = await other.server.next('watch');
      assert.equal(next.query['resourceVersion'], '10');
      await other.stop();
      await fixture.server.next('watch');
    });

    it('says when something last came', async () => {
      const { clock, reflector } = fixture;
      const watch = await fixture.synced('a');
      await clock.advance(5000);
      watch.send(bookmark(11));
      await clock.advance(2000);
      assert.equal(reflector.lastContact, 5000);
    });
  });

  describe('waiting', () => {
    it('lists once the permission is granted, looking every five seconds', async () => {
      const { server, clock } = fixture;
      const forbidden = failure(403, 'Forbidden');
      let asked = 0;
      for (let elapsed = 0; elapsed < 60_000; elapsed += 100) {
        for (const kind of await server.waiting()) {
          asked += 1;
          (await server.next(kind as 'watch')).fail(forbidden);
        }
        await clock.advance(100);
      }
      assert.ok(asked >= 12 && asked <= 16, `asked ${asked} times in a minute`);
      await clock.advance(5000);
      const [kind] = await server.waiting();
      if (kind === 'list') (await server.next('list')).answer(page(10, ['a']));
      else (await server.next('watch')).send(added('a', 1), listEnd(10));
      await flush();
      assert.deepEqual(fixture.names, ['a']);
    });

    it('keeps what it holds while the kind is not served, and lists when it is again', async () => {
      const { server, clock } = fixture;
      const watch = await fixture.synced('a');
      await clock.advance(60_000);
      watch.end();
      (await server.next('watch')).fail(failure(404, 'NotFound'));
      await clock.advance(800);
      const list = await server.next('watch');
      assert.equal(
        list.query['sendInitialEvents'],
        true,
        'events may be lost, so the revision is worth nothing',
      );
      list.fail(failure(404, 'NotFound'));
      await flush();
      assert.deepEqual(fixture.names, ['a']);
      await clock.advance(5000);
      (await server.next('watch')).send(added('b', 20), listEnd(21));
      await flush();
      assert.deepEqual(fixture.names, ['b']);
    });

    it('lists where its revision is one that the server has not reached, as after a restored backup', async () => {
      const { server, clock } = fixture;
      const details = { causes: [{ reason: 'ResourceVersionTooLarge' }] };
      (await fixture.synced('a')).fail(
        new ApiError({
          method: 'WATCH',
          path: PATH,
          status: 504,
          reason: 'Timeout',
          message: 'too large',
          details,
        }),
      );
      await clock.advance(800);
      assert.equal((await server.next('watch')).query['sendInitialEvents'], true);
    });

    it('lists where a watch goes on in silence, as from a revision that the server has not reached', async () => {
      const { server, clock } = fixture;
      (await fixture.synced('a')).fail(failure(0, 'Transport'));
      await clock.advance(800);
      const silent = await server.next('watch');
      assert.equal(silent.query['resourceVersion'], '10');
      silent.open();
      await flush();
      silent.fail(failure(0, 'Stalled'));
      await clock.advance(30_000);
      await server.next('list');
    });

    it('survives a Status that is none', async () => {
      const { server, clock } = fixture;
      let watch = await fixture.synced('a');
      for (const odd of [{ details: { causes: 'x' } }, { details: { causes: [null] } }, { message: {} }]) {
        watch.send({ type: 'ERROR', object: { kind: 'Status', code: 500, ...odd } });
        await clock.advance(30_000);
        watch = await server.next('watch');
        watch.send(bookmark(11));
        await flush();
      }
      assert.deepEqual(fixture.names, ['a']);
    });

    it('waits as long as an ERROR event asks, and goes on watching where it was', async () => {
      const { server, clock } = fixture;
      let watch = await fixture.synced('a');
      for (let times = 0; times < 8; times++) {
        const status = { kind: 'Status', code: 429, reason: 'TooManyRequests', message: 'later' };
        watch.send({ type: 'ERROR', object: { ...status, details: { retryAfterSeconds: 30 } } });
        await clock.advance(29_999);
        assert.deepEqual(await server.waiting(), []);
        await clock.advance(1);
        watch = await server.next('watch');
        assert.equal(watch.query['resourceVersion'], '10', 'a list costs a busy server more than a watch');
      }
    });

    it('waits no longer than its stall limit, whatever the server asks', async () => {
      const other = new Fixture({ stallMs: 60_000 });
      (await other.server.next('watch')).fail(failure(429, 'TooManyRequests', { retryAfterMs: 120_000 }));
      await other.clock.advance(60_000);
      await other.server.next('list');
      await other.stop();
      await fixture.server.next('watch');
    });

    it('waits as long as the server asks', async () => {
      const { server, clock } = fixture;
      (await server.next('watch')).fail(failure(429, 'TooManyRequests', { retryAfterMs: 17_000 }));
      await clock.advance(16_999);
      assert.deepEqual(await server.waiting(), []);
      await clock.advance(1);
      await server.next('list');
    });

    it('waits longer after each failure, and begins anew after a healthy watch', async () => {
      const { server, clock, errors } = fixture;
      let watch = await fixture.synced('a');
      for (let i = 0; i < 3; i++) {
        watch.fail(failure(0, 'Transport'));
        await clock.advance(10_000);
        watch = await server.next('watch');
      }
      watch.send(bookmark(11));
      await clock.advance(20_000);
      watch.fail(failure(0, 'Transport'));
      await flush();
      assert.deepEqual(
        errors.map(({ retryIn }) => retryIn),
        [750, 1500, 3000, 750],
      );
    });

    it('begins anew after a watch that was open for a while, though nothing happened on it', async () => {
      const { server, clock, errors } = fixture;
      let watch = await fixture.synced('a');
      for (let i = 0; i < 3; i++) {
        watch.fail(failure(0, 'Transport'));
        await clock.advance(3_000);
        watch = await server.next('watch');
        watch.open();
        await clock.advance(2_000);
      }
      assert.deepEqual(
        errors.map(({ retryIn }) => retryIn),
        [750, 750, 750],
      );
    });

    it('asks no more than once a second of a server that ends every watch at once', async () => {
      const { server, clock } = fixture;
      let asked = 0;
      for (let elapsed = 0; elapsed < 30_000; elapsed += 100) {
        for (const kind of await server.waiting()) {
          asked += 1;
          if (kind === 'list') (await server.next('list')).answer(page(10, ['a']));
          else (await server.next('watch')).end();
        }
        await clock.advance(100);
      }
      assert.ok(asked < 15, `asked ${asked} times in 30 s`);
    });
  });

  it('ends at once where it is aborted, while it lists, watches or waits', async () => {
    const listing = new Fixture();
    (await listing.server.next('watch')).fail(failure(422, 'Invalid'));
    await listing.server.next('list');
    await listing.stop();
    const waiting = new Fixture();
    (await waiting.server.next('watch')).fail(failure(503, 'ServiceUnavailable'));
    await flush();
    await waiting.stop();
    assert.deepEqual(listing.errors, [], 'an abort is no error');
    await fixture.synced('a');
  });
});
