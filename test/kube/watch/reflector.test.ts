// A reflector and every failure of its lists and watches, on a virtual clock.
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ApiError } from '../../../src/kube/errors.ts';
import { Reflector } from '../../../src/kube/watch/reflector.ts';
import type { ListInfo, ReflectorOptions } from '../../../src/kube/watch/reflector.ts';
import { Store } from '../../../src/kube/watch/store.ts';
import type { Item } from '../../../src/kube/watch/store.ts';
import { VirtualClock, flush } from '../../support/clocks/virtual-clock.ts';
import { ScriptedTransport, type WatchCall } from '../scripted-transport.ts';
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

/** Node's `gc`, without its flag for the whole process. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
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

  /** Streams a first list of `names` at revision 10, and returns the watch. */
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

  describe('as it lists', () => {
    it('streams the list and continues to watch in the same request', async () => {
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

    it('delivers an empty first list', async () => {
      await fixture.synced();
      assert.equal(fixture.reflector.hasSynced, true);
    });

    for (const status of [400, 422]) {
      it(`reads pages, now and later, after the server refused to stream with ${status}`, async () => {
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

    it('reads pages if the server ignores sendInitialEvents', async () => {
      const { server } = fixture;
      const watch = await server.next('watch');
      watch.send(added('a', 1), bookmark(5));
      (await server.next('list')).answer(page(10, ['a']));
      await flush();
      assert.equal(watch.closed, true);
      assert.deepEqual(fixture.names, ['a']);
      await server.next('watch');
    });

    it('reads pages if a streamed list stalls', async () => {
      const { server } = fixture;
      const watch = await server.next('watch');
      watch.send(added('a', 1));
      watch.fail(failure(0, 'Stalled'));
      (await server.next('list')).answer(page(10, ['a']));
      await server.next('watch');
      assert.deepEqual(fixture.names, ['a']);
    });

    it('starts again with the first page if a continue token expires', async () => {
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

    it('fails if a continue token leads to the same page', async () => {
      const { server } = fixture;
      (await server.next('watch')).fail(failure(422, 'Invalid'));
      (await server.next('list')).answer(page(10, ['a'], 'token'));
      (await server.next('list')).answer(page(10, ['a'], 'token'));
      assert.deepEqual(await server.waiting(), []);
      assert.match(fixture.errors[0]?.message ?? '', /Malformed: the page leads to itself/);
      assert.deepEqual(fixture.names, []);
    });

    it('backs off if continue tokens expire repeatedly', async () => {
      const { server } = fixture;
      (await server.next('watch')).fail(failure(422, 'Invalid'));
      for (let i = 0; i < 4; i++) (await server.next('list')).fail(failure(410, 'Expired'));
      assert.deepEqual(await server.waiting(), []);
      await fixture.clock.advance(800);
      await server.next('list');
    });

    it('fails on an answer that is no list, and reads null items as none', async () => {
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

    it('alternates streamed and paged lists after failures', async () => {
      const { server, clock } = fixture;
      (await server.next('watch')).send('garbage');
      await clock.advance(800);
      (await server.next('list')).fail(failure(500, 'InternalError'));
      await clock.advance(1600);
      await server.next('watch');
    });
  });

  describe('with an empty list while the sink has items', () => {
    it('reads pages to confirm a streamed one', async () => {
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

    it('delivers the second list if that is not empty', async () => {
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

    it('reads pages again to confirm a paged one, even if only events filled the sink', async () => {
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

    it('delivers nothing if it can not be confirmed', async () => {
      const { server } = fixture;
      (await fixture.synced('a')).send(errorEvent(410, 'Expired'));
      await fixture.clock.advance(1000);
      (await server.next('watch')).send(listEnd(20));
      (await server.next('list')).fail(failure(503, 'ServiceUnavailable'));
      await flush();
      assert.deepEqual(fixture.names, ['a']);
    });
  });

  describe('as it watches', () => {
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

    it('gives its watches random timeouts from 5 to 10 minutes', async () => {
      const seconds: unknown[] = [];
      for (const random of [0, 0.999_999]) {
        const other = new Fixture({ random: () => random });
        seconds.push((await other.server.next('watch')).query['timeoutSeconds']);
        await other.stop();
      }
      assert.deepEqual(seconds, [300, 599]);
      await fixture.server.next('watch');
    });

    it('delivers repeated and late events', async () => {
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
      it(`lists again if its revision is gone, reported ${name}`, async () => {
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

    it('resumes after an ERROR event with another reason', async () => {
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
      it(`resumes after ${name} in the stream, and lists if that is repeated`, async () => {
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
        assert.deepEqual(fixture.names, ['a'], 'the sink keeps its items');
      });
    }

    it('continues after a projection or sink that throws', async () => {
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

    it('resumes after a stall, and lists after five failures at the same revision', async () => {
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

    it('lists again at the end of a watch once relistMs have passed', async () => {
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

    it('keeps items that a due list contains', async () => {
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

    it('resumes the watch if a due list fails', async () => {
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

    const earlyEnds = {
      'the server ended': (watch: WatchCall) => watch.end(),
      broke: (watch: WatchCall) => watch.fail(failure(0, 'Transport')),
    };
    for (const [what, end] of Object.entries(earlyEnds)) {
      it(`lists after a watch that ${what} before its timeout, if the schema of the kind may change`, async () => {
        const other = new Fixture({ schemaMayChange: true });
        const watch = await other.synced('a');
        await other.clock.advance(449_000);
        end(watch);
        await other.clock.advance(1000);
        const list = await other.server.next('watch');
        assert.equal(list.query['sendInitialEvents'], true);
        list.fail(failure(429, 'TooManyRequests'));
        await other.clock.advance(10_000);
        assert.equal((await other.server.next('list')).query['limit'], 500);
        await other.stop();
        await fixture.server.next('watch');
      });
    }

    it('resumes a watch that had its time, also if the schema of the kind may change', async () => {
      const other = new Fixture({ schemaMayChange: true });
      const watch = await other.synced('a');
      await other.clock.advance(450_000);
      watch.end();
      assert.equal((await other.server.next('watch')).query['resourceVersion'], '10');
      await other.stop();
      await fixture.server.next('watch');
    });

    it('records when the server last sent something', async () => {
      const { clock, reflector } = fixture;
      const watch = await fixture.synced('a');
      await clock.advance(5000);
      watch.send(bookmark(11));
      await clock.advance(2000);
      assert.equal(reflector.lastContact, 5000);
    });
  });

  describe('after a failure', () => {
    it('tries every five seconds until a permission is granted', async () => {
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

    it('keeps the items of a kind that is not served, and lists when it is served again', async () => {
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

    it('lists if the server has not reached its revision, as after a restored backup', async () => {
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

    it('lists if a watch stays silent, as from a revision that the server has not reached', async () => {
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

    it('continues after an ERROR event whose Status is malformed', async () => {
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

    it('waits as long as an ERROR event asks for, and resumes', async () => {
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

    it('waits no longer than stallMs, even if the server asks for more', async () => {
      const other = new Fixture({ stallMs: 60_000 });
      (await other.server.next('watch')).fail(failure(429, 'TooManyRequests', { retryAfterMs: 120_000 }));
      await other.clock.advance(60_000);
      await other.server.next('list');
      await other.stop();
      await fixture.server.next('watch');
    });

    it('waits as long as the server asks for', async () => {
      const { server, clock } = fixture;
      (await server.next('watch')).fail(failure(429, 'TooManyRequests', { retryAfterMs: 17_000 }));
      await clock.advance(16_999);
      assert.deepEqual(await server.waiting(), []);
      await clock.advance(1);
      await server.next('list');
    });

    it('doubles its delay, and resets it after a healthy watch', async () => {
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

    it('resets its delay after a watch that was open for a while without events', async () => {
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

    it('watches at most once a second if the server ends every watch at once', async () => {
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

  it('holds no item of the list that a newer one has replaced, while it watches', async () => {
    const watch = await fixture.synced('a', 'b');
    const first = new WeakRef(fixture.store.get('a') as Item);
    watch.send(modified('a', 11));
    await flush();
    collectGarbage();
    assert.equal(first.deref(), undefined);
  });

  it('ends at once when it is aborted, while it lists, watches or waits', async () => {
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
