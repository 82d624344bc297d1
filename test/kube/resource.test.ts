// A Resource and answers that are no objects: a proxy may answer anything with status 200.
import assert from 'node:assert/strict';
import type { KubeObject } from '../../src/api/meta.ts';
import { classify } from '../../src/kube/errors.ts';
import { Resource } from '../../src/kube/resource.ts';
import { ScriptedTransport } from './scripted-transport.ts';

const OBJECT: KubeObject = { metadata: { name: 'a', namespace: 'shop', resourceVersion: '1' } };
const FAILURE = { kind: 'Status', status: 'Failure' };

const CALLS: Readonly<Record<string, (maps: Resource<KubeObject>) => Promise<unknown>>> = {
  get: (maps) => maps.get('a', 'shop'),
  list: (maps) => maps.list({ namespace: 'shop' }),
  'list of all pages': (maps) => maps.listAll(),
  create: (maps) => maps.create(OBJECT),
  replace: (maps) => maps.replace(OBJECT),
  patch: (maps) => maps.patch('a', 'shop', {}),
  delete: (maps) => maps.delete('a', 'shop'),
};

describe('Resource', () => {
  for (const [name, send] of Object.entries(CALLS)) {
    for (const answer of [null, [], 'ok', {}, { metadata: {} }, FAILURE]) {
      it(`rejects the answer ${JSON.stringify(answer)} to a ${name} as a failure to retry`, async () => {
        const server = new ScriptedTransport();
        const kind = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
        const answered = send(new Resource<KubeObject>(server, kind));
        const refused = assert.rejects(answered, (error: Error) => {
          assert.match(error.message, /200 Malformed: not an? (object|list): /);
          assert.equal(classify(error), 'retry');
          return true;
        });
        (await server.next('list')).answer(answer);
        await refused;
      });
    }
  }

  it('rejects a page whose continue token leads to the same page', async () => {
    const server = new ScriptedTransport();
    const kind = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
    const refused = assert.rejects(
      new Resource<KubeObject>(server, kind).listAll(),
      /200 Malformed: the page leads to itself/,
    );
    for (const _ of [1, 2]) {
      const call = await server.next('list');
      call.answer({ metadata: { resourceVersion: '1', continue: 'token' }, items: [OBJECT] });
    }
    await refused;
    assert.deepEqual(await server.waiting(), []);
  });

  it('returns nothing from a delete that is answered with a Status or the last state of the object', async () => {
    for (const answer of [{ kind: 'Status', status: 'Success' }, OBJECT]) {
      const server = new ScriptedTransport();
      const kind = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
      const deleted = new Resource<KubeObject>(server, kind).delete('a', 'shop');
      (await server.next('list')).answer(answer);
      assert.equal(await deleted, undefined);
    }
  });
});
