// A replica that does not lead does not write.
import assert from 'node:assert/strict';
import { isAborted } from '../../src/kube/errors.ts';
import { fenced } from '../../src/kube/fence.ts';
import type { Method } from '../../src/kube/http/transport.ts';
import { ScriptedTransport } from './scripted-transport.ts';

describe('fence', () => {
  const path = '/api/v1/namespaces/shop/configmaps/a';

  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const satisfies Method[]) {
    it(`lets each ${method} pass only while the replica leads`, async () => {
      const server = new ScriptedTransport();
      let leads = true;
      const transport = fenced(server, () => leads);
      const sent = transport.request({ method, path });
      (await server.next('list')).answer('done');
      assert.equal(await sent, 'done');
      leads = false;
      await assert.rejects(transport.request({ method, path }), isAborted);
      assert.deepEqual(await server.waiting(), []);
    });
  }

  it('lets a replica that does not lead read and watch', async () => {
    const server = new ScriptedTransport();
    const transport = fenced(server, () => false);
    const read = transport.request({ method: 'GET', path });
    (await server.next('list')).answer('read');
    assert.equal(await read, 'read');
    const { signal } = new AbortController();
    const watched = transport.watch({ path, signal, stallMs: 1000 })[Symbol.asyncIterator]().next();
    (await server.next('watch')).send('event');
    assert.deepEqual((await watched).value, ['event']);
  });
});
