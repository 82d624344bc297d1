// Requests of the transport that fail at a real API server: nobody listens, deadlines, signals, broken connections.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../../src/util/clock.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { configMap, configMaps, failure, Fixture, namespaces, readNamespace as read } from './fixture.ts';

describe('a request of the transport', () => {
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
    it('in one line where nobody listens', async () => {
      const proxy = await fixture.proxy(plane.server);
      const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
      await proxy.stop();
      const error = await failure(read(transport));
      assert.match(error.message, /^GET \/api\/v1\/namespaces\/default: Transport: connect ECONNREFUSED 127/);
      assert.deepEqual(fixture.statuses(), ['<error>']);
    });

    it('at the deadline, and does not use connections that may be as dead again', async () => {
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

    it('when its signal is aborted, before or meanwhile', async () => {
      const transport = fixture.transport(plane.kubeconfig);
      const signal = AbortSignal.abort();
      const aborted = failure(namespaces(transport).get('default', undefined, { signal }));
      assert.equal((await aborted).reason, 'Aborted');
      const stop = new AbortController();
      const pending = failure(namespaces(transport).get('default', undefined, { signal: stop.signal }));
      stop.abort();
      assert.equal((await pending).reason, 'Aborted');
    });

    it('when the connection breaks at any byte of the answer', async () => {
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

    it('with what the server says of a bad object', async () => {
      const maps = configMaps(fixture.transport(plane.kubeconfig));
      const error = await failure(maps.create(configMap('default', 'Not_A_Name')));
      assert.deepEqual([error.status, error.reason], [422, 'Invalid']);
      assert.match(error.message, /RFC 1123/);
    });
  });

  it('runs its deadlines on the clock that it is given', async () => {
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
