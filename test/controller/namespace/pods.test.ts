import assert from 'node:assert/strict';
import { PODS } from '../../../src/cluster-state/items.ts';
import { PodProbe } from '../../../src/controller/namespace/pods.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import { Resource } from '../../../src/kube/resource.ts';
import { ScriptedTransport } from '../../kube/scripted-transport.ts';
import { flush, VirtualClock } from '../../support/clocks/virtual-clock.ts';

const pod = { metadata: { name: 'web' } };

describe('pod probe', () => {
  let server: ScriptedTransport;
  let clock: VirtualClock;
  let probe: PodProbe;
  let ask: () => Promise<boolean>;

  beforeEach(() => {
    server = new ScriptedTransport();
    clock = new VirtualClock();
    probe = new PodProbe(new Resource(server, PODS), clock);
    ask = () => probe.any('shop', new AbortController().signal);
  });

  /** Answers the next question, and tells the revision that it was to be at least of. */
  async function answer(resourceVersion: string, items: object[] = []): Promise<unknown> {
    const list = await server.next('list');
    list.answer({ metadata: { resourceVersion }, items });
    const { limit, resourceVersion: least, resourceVersionMatch: match } = list.query;
    assert.equal(limit, 1);
    assert.equal(match, least === undefined ? undefined : 'NotOlderThan');
    return least;
  }

  it('lists consistently at first, and after a pause', async () => {
    const first = ask();
    assert.equal(await answer('10', [pod]), undefined);
    assert.equal(await first, true);
    await clock.advance(251);
    const later = ask();
    assert.equal(await answer('20'), undefined);
    assert.equal(await later, false);
  });

  it('lists from a cache no older than the last consistent list, for a moment', async () => {
    const first = ask();
    await answer('10');
    await first;
    await clock.advance(100);
    const second = ask();
    assert.equal(await answer('12', [pod]), '10');
    assert.equal(await second, true);
  });

  it('counts the moment from the request, as the answer may take long', async () => {
    const first = ask();
    await clock.advance(251);
    await answer('10');
    await first;
    const second = ask();
    assert.equal(await answer('20'), undefined);
    await second;
  });

  it('renews the revision once before the moment ends, while all namespaces use the old one', async () => {
    const first = ask();
    await answer('10');
    await first;
    await clock.advance(130);
    const others = [ask(), ask()];
    const renewal = await server.next('list');
    assert.equal(renewal.query['resourceVersion'], undefined);
    assert.equal(await answer('15', [pod]), '10');
    assert.equal(await answer('16'), '10');
    assert.deepEqual(await Promise.all(others), [true, false]);
    renewal.answer({ metadata: { resourceVersion: '20' }, items: [pod] });
    await flush();
    const next = ask();
    assert.equal(await answer('21'), '20');
    assert.equal(await next, false);
  });

  it('lists from the old revision if its renewal fails', async () => {
    const first = ask();
    await answer('10');
    await first;
    await clock.advance(130);
    const second = ask();
    (await server.next('list')).fail(new Error('no'));
    assert.equal(await answer('15', [pod]), '10');
    assert.equal(await second, true);
  });

  it('asks consistently once for all namespaces that wait for the first revision', async () => {
    const first = ask();
    const others = [ask(), ask()];
    assert.equal(await answer('10'), undefined);
    assert.equal(await first, false);
    assert.equal(await answer('11', [pod]), '10');
    assert.equal(await answer('12'), '10');
    assert.deepEqual(await Promise.all(others), [true, false]);
  });

  it('asks consistently for each namespace if the first answer took too long to serve others', async () => {
    const first = ask();
    const other = ask();
    await clock.advance(251);
    await answer('10');
    await first;
    assert.equal(await answer('20', [pod]), undefined);
    assert.equal(await other, true);
  });

  it('asks again for a namespace that waited for a list that failed', async () => {
    const first = ask();
    const other = ask();
    (await server.next('list')).fail(new Error('no'));
    await assert.rejects(first, /no/);
    assert.equal(await answer('10', [pod]), undefined);
    assert.equal(await other, true);
  });

  it('asks by a revision that was prefetched', async () => {
    const { signal } = new AbortController();
    probe.prefetch(signal);
    probe.prefetch(signal);
    const first = ask();
    assert.equal(await answer('10', [pod]), undefined);
    assert.equal(await answer('11'), '10');
    assert.equal(await first, false);
  });

  it('lists consistently if the server that answers lags', async () => {
    const first = ask();
    await answer('10');
    await first;
    const second = ask();
    const list = await server.next('list');
    list.fail(
      new ApiError({
        method: 'GET',
        path: list.kind,
        status: 504,
        reason: 'Timeout',
        message: 'Too large resource version: 10, current: 5',
        details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
      }),
    );
    assert.equal(await answer('11', [pod]), undefined);
    assert.equal(await second, true);
  });

  it('rejects if the list fails', async () => {
    const failing = ask();
    (await server.next('list')).fail(new Error('no'));
    await assert.rejects(failing, /no/);
  });
});
