/** The requests for a round, on a clock of the test. */
import assert from 'node:assert/strict';
import { REQUEST } from '../../../src/canary/model/request.ts';
import { Requests } from '../../../src/canary/probe/requests.ts';
import { ScriptedTransport } from '../../kube/scripted-transport.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

/** Waits that have begun, and a ConfigMap whose watch the test drives. */
async function scene() {
  const clock = new VirtualClock();
  const server = new ScriptedTransport();
  const stop = new AbortController();
  const onError = (_resource: string, error: unknown) => assert.fail(String(error));
  const requests = new Requests({
    transport: server,
    clock,
    random: () => 0.5,
    resyncMs: 600_000,
    onError,
  });
  requests.watch(stop.signal);
  const watch = await server.next('watch');
  let revision = 1;
  const ask = async (requested: unknown) => {
    const metadata = { name: REQUEST, namespace: 'n', uid: 'u', resourceVersion: String(++revision) };
    watch.send({ type: 'MODIFIED', object: { metadata, data: { requested } } });
    await clock.advance(0);
  };
  const metadata = { name: REQUEST, namespace: 'n', uid: 'u', resourceVersion: '1' };
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  watch.send(
    { type: 'ADDED', object: { metadata } },
    { type: 'BOOKMARK', object: { metadata: { resourceVersion: '1', annotations } } },
  );
  await clock.advance(0);
  const wait = (known: string, ms: number) => {
    const state = { isOver: false };
    void requests.wait(known, ms, stop.signal).then(() => (state.isOver = true));
    return state;
  };
  return { clock, server, requests, watch, ask, wait, stop };
}

describe('requests for a round of the canary', () => {
  it('are read from one ConfigMap alone', async () => {
    const { watch, stop } = await scene();
    assert.equal(watch.query['fieldSelector'], `metadata.name=${REQUEST}`);
    stop.abort();
  });

  it('are read again once the time of resyncing has passed', async () => {
    const { clock, server, watch, stop } = await scene();
    await clock.advance(300_000);
    watch.end();
    const resumed = await server.next('watch');
    await clock.advance(300_000);
    resumed.end();
    const listed = await server.next('watch');
    assert.deepEqual(
      [resumed, listed].map(({ query }) => query['sendInitialEvents']),
      [undefined, true],
    );
    stop.abort();
  });

  it('end a wait at once, and only with an id that is not known', async () => {
    const { clock, requests, ask, wait, stop } = await scene();
    assert.equal(requests.id, '');
    await ask('first');
    const waiting = wait('first', 9000);
    await ask('first');
    assert.equal(waiting.isOver, false);
    await ask('second');
    assert.equal(waiting.isOver, true);
    assert.equal(requests.id, 'second');
    const late = wait('first', 9000);
    await clock.advance(0);
    assert.equal(late.isOver, true);
    stop.abort();
  });

  it('are none if the id is too long to be repeated, or no text', async () => {
    const { clock, requests, ask, wait, stop } = await scene();
    const waiting = wait('', 9000);
    for (const id of ['x'.repeat(65), 7, null]) await ask(id);
    assert.equal(requests.id, '');
    assert.equal(waiting.isOver, false);
    await clock.advance(9000);
    assert.equal(waiting.isOver, true);
    stop.abort();
  });
});
