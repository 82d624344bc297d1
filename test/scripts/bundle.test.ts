import assert from 'node:assert/strict';
import { join } from 'node:path';
import { contents, OPERATOR } from '../../scripts/bundle/programs.ts';

describe('the bundle of the operator', () => {
  const metafile = contents(join(import.meta.dirname, '../..'), OPERATOR);

  it('lacks the parts of undici and client-node that nothing uses', async () => {
    const inputs = Object.keys((await metafile).inputs);
    const has = (text: string) => inputs.some((path) => path.includes(text));
    assert.ok(has('undici/lib/dispatcher/client-h1.js'));
    assert.ok(has('client-node/dist/oidc_auth.js'));
    for (const unused of ['undici/lib/mock/', 'undici/lib/web/websocket/', 'client-node/dist/gen/models/'])
      assert.ok(!has(unused), unused);
  });

  it('requires built-in modules, as importing node:http evaluates a second undici', async () => {
    const { outputs } = await metafile;
    const kinds = new Set(outputs[OPERATOR.file]?.imports.map(({ kind }) => kind));
    assert.deepEqual([...kinds], ['require-call']);
  });
});
