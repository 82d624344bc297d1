// Requests that fail on a real API server: no listener, deadlines, signals, broken connections.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../src/util/clock.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { configMap, configMaps, failure, Fixture, namespaces, readNamespace as read } from './fixture.ts';

describe('a request on a real API server', () => {
  let plane: ControlPlane;
  let fixture: Fixture;

  before(async () => {
    plane = await sharedControlPlane();
  });
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.clean());

  describe('fails', () => {
    it('with a message of one line if no server listens', async () => {
      const proxy = await fixture.proxy(plane.server);
      const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
      await proxy.stop();
      const error = await failure(read(transport));
      assert.match(error.message, /^GET \/api\/v1\/namespaces\/default: Transport: connect ECONNREFUSED 127/);
      assert.deepEqual(fixture.statuses(), ['<error>']);
    });

    it('at the deadline, and later requests use new connections', async () => {
      const proxy = await fixture.proxy(plane.server);
      const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url), { timeoutMs: 300 });
      await Promise.all(Array.from({ length: 4 }, () => read(transport)));
      await delay(350);
      proxy.silence();
      const { reason, message } = await failure(read(transport));
      assert.equal(reason, 'Timeout');
      assert.match(message, /within 300 ms/);
      await Promise.all(Array.from({ length: 4 }, () => read(transport)));
    });

    it('when its signal is aborted, before or during the request', async () => {
      const transport = fixture.transport(plane.kubeconfig);
      const signal = AbortSignal.abort();
      const aborted = failure(namespaces(transport).get('default', undefined, { signal }));
      assert.equal((await aborted).reason, 'Aborted');
      const stop = new AbortController();
      const pending = failure(namespaces(transport).get('default', undefined, { signal: stop.signal }));
      stop.abort();
      assert.equal((await pending).reason, 'Aborted');
    });

    it('if the connection breaks at any byte of the answer', async () => {
      const proxy = await fixture.proxy(plane.server);
      const kubeconfig = fixture.via(plane.kubeconfig, proxy.url);
      for (const bytes of [1, 700, 2500, 3500, 4200]) {
        proxy.cutAfter(bytes);
        const transport = fixture.transport(kubeconfig);
        const path = '/apis/apps/v1';
        const { reason } = await failure(transport.request({ method: 'GET', path }));
        assert.equal(reason, 'Transport', `${bytes} bytes`);
      }
    });

    it("with the server's message about an invalid object", async () => {
      const maps = configMaps(fixture.transport(plane.kubeconfig));
      const error = await failure(maps.create(configMap('default', 'Not_A_Name')));
      assert.deepEqual([error.status, error.reason], [422, 'Invalid']);
      assert.match(error.message, /RFC 1123/);
    });
  });

  it('uses the injected clock for its deadline', async () => {
    let fire = () => {};
    const clock = {
      ...systemClock,
      schedule: (_delay: number, callback: () => void) => {
        fire = callback;
        return { cancel: () => {} };
      },
      monotonic: () => now,
    };
    let now = 0;
    const proxy = await fixture.proxy(plane.server);
    const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url), { clock });
    await read(transport);
    proxy.silence();
    const pending = failure(read(transport));
    now = 30_000;
    fire();
    assert.match((await pending).message, /Timeout: no complete answer came within 30000 ms/);
  });
});
