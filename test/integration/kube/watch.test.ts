// A watch on a real API server: long lines, silence, and its end.
import assert from 'node:assert/strict';
import type { Transport } from '../../../src/kube/http/transport.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { Sandbox } from '../../support/cluster.ts';
import { configMap, configMaps, failure, Fixture, readNamespace as read, until } from './fixture.ts';

describe('a watch on a real API server', () => {
  let plane: ControlPlane;
  let box: Sandbox;
  let fixture: Fixture;
  let namespace: string;
  let path: string;

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'watch');
    namespace = await box.namespace('watched', null);
    path = `/api/v1/namespaces/${namespace}/configmaps`;
  });
  after(() => box.remove());
  beforeEach(() => {
    fixture = new Fixture();
  });
  afterEach(() => fixture.clean());

  const query = { watch: true, fieldSelector: 'metadata.name=long' };

  it('yields a line of 1 MB, and characters of several bytes', async () => {
    const transport = fixture.transport(plane.kubeconfig);
    const text = 'ж✓😀'.repeat(100_000);
    await configMaps(transport).create(configMap(namespace, 'long', { text }));
    const { signal } = new AbortController();
    for await (const [value] of transport.watch({ path, query, signal, stallMs: 5000 })) {
      assert.equal((value as { object: { data: { text: string } } }).object.data.text, text);
      break;
    }
  });

  it('fails as Stalled after a silence', async () => {
    const proxy = await fixture.proxy(plane.server);
    const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
    const error = await failure(
      drain(transport, { path, query: { ...query, resourceVersion: '1000000' } }, 300),
    );
    assert.equal(error.reason, 'Stalled', error.message);
  });

  it('fails as Aborted when its signal is aborted or the transport closed, and leaves no connection open', async () => {
    const proxy = await fixture.proxy(plane.server);
    const transport = fixture.transport(fixture.via(plane.kubeconfig, proxy.url));
    const stop = new AbortController();
    const first = failure(drain(transport, { path, query }, 5000, stop.signal));
    const second = failure(drain(transport, { path, query }, 5000));
    await until('both are open', () => fixture.requests.filter(({ verb }) => verb === 'WATCH').length === 2);
    stop.abort();
    assert.equal((await first).reason, 'Aborted');
    await until('one is gone', () => proxy.open === 1);
    await transport.close();
    assert.equal((await second).reason, 'Aborted');
    await until('the other too', () => proxy.open === 0);
    assert.equal((await failure(read(transport))).reason, 'Aborted', 'nothing goes on after closing');
  });
});

async function drain(
  transport: Transport,
  request: { path: string; query: Record<string, string | boolean> },
  stallMs: number,
  signal = new AbortController().signal,
): Promise<void> {
  for await (const value of transport.watch({ ...request, signal, stallMs })) void value;
}
