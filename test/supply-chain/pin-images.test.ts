/** `npm run pin:images` against a registry that follows the Distribution Specification. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { basesOf, unpinned } from '../../scripts/images/dockerfile.ts';

const root = join(import.meta.dirname, '../..');
const INDEX = JSON.stringify({ schemaVersion: 2, manifests: [] });
const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const OLD = `sha256:${'0'.repeat(64)}`;

describe('npm run pin:images', () => {
  let server: Server;
  let host: string;
  let directory: string;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'pin-'));
    server = createServer(({ url = '', headers }, response) => {
      const { pathname, searchParams } = new URL(url, 'http://localhost');
      const answer = (status: number, body: string, more: Readonly<Record<string, string>> = {}) =>
        response.writeHead(status, more).end(body);
      if (pathname === '/token') {
        const asked = [searchParams.get('service'), searchParams.get('scope')].join(' ');
        return answer(200, JSON.stringify({ token: `for ${asked}` }));
      }
      if (pathname === '/v2/guarded/node/manifests/1') {
        const scope = 'repository:guarded/node:pull';
        if (headers.authorization === `Bearer for here ${scope}`) return answer(200, INDEX);
        const realm = `Bearer realm="http://${host}/token",service="here",scope="${scope}"`;
        return answer(401, '', { 'www-authenticate': realm });
      }
      if (pathname === '/v2/private/manifests/1')
        return answer(401, '', { 'www-authenticate': 'Basic realm="x"' });
      if (pathname === '/v2/forged/manifests/1') return answer(200, INDEX, { 'docker-content-digest': OLD });
      const known =
        pathname === '/v2/open/base/manifests/2' && headers.accept?.includes('image.index.v1+json');
      if (!known) return answer(404, '');
      return answer(200, INDEX, { 'docker-content-digest': sha256(INDEX) });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  /** Runs the script on a Dockerfile with these bases; resolves the text of the file, and the output. */
  async function pin(builder: string, runtime: string, ...args: readonly string[]) {
    const file = join(directory, 'Dockerfile');
    const before = `ARG BUILDER=${builder}\nARG RUNTIME=${runtime}\nFROM --platform=$BUILDPLATFORM \${BUILDER} AS b\nFROM \${RUNTIME}\n`;
    writeFileSync(file, before);
    const command = [join(root, 'scripts/images/pin-images.ts'), '--file', file, ...args];
    const { stdout, error } = await promisify(execFile)(process.execPath, command).then(
      ({ stdout }) => ({ stdout, error: undefined }),
      ({ stdout, stderr }: { stdout: string; stderr: string }) => ({ stdout, error: stderr.trim() }),
    );
    return { text: readFileSync(file, 'utf8'), before, stdout, error };
  }

  it('writes the digests of tags, also with a token, and over older digests', async () => {
    const { text, stdout, error } = await pin(`${host}/guarded/node:1`, `${host}/open/base:2@${OLD}`);
    assert.equal(error, undefined);
    assert.deepEqual(
      basesOf(text).map(({ reference }) => reference),
      [`${host}/guarded/node:1@${sha256(INDEX)}`, `${host}/open/base:2@${sha256(INDEX)}`],
    );
    assert.deepEqual(unpinned(text), []);
    assert.match(stdout, /^BUILDER pinned: .*\nRUNTIME moved: /);
  });

  const REFUSED: readonly (readonly [what: string, path: string, says: RegExp])[] = [
    ['a tag that is not there', '/open/base:3', /\/open\/base:3: the registry answers 404$/],
    ['an answer that is not what it says', '/forged:1', /says sha256:0+, but what it sends is sha256:/],
    ['a registry that wants credentials', '/private:1', /private:1: the registry wants credentials/],
  ];
  for (const [what, path, says] of REFUSED) {
    it(`leaves the file unchanged for ${what}`, async () => {
      const { text, before, error = '' } = await pin(`${host}/open/base:2`, host + path);
      assert.match(error, says);
      assert.equal(text, before);
    });
  }

  it('--check names bases without a digest, and sends no request', async () => {
    const pinned = `nowhere.example/base:2@${OLD}`;
    const missing = await pin('nowhere.example/node:1', pinned, '--check');
    assert.equal(missing.error?.split('\n')[0], 'Dockerfile: BUILDER=nowhere.example/node:1 has no digest');
    assert.equal((await pin(pinned, pinned, '--check')).error, undefined);
  });

  it('refuses a base that is no ARG', () => {
    assert.throws(() => basesOf('FROM node:24\n'), /write it as an ARG with a default/);
  });
});

describe('the Dockerfile', () => {
  it('has two bases with tag and digest', () => {
    const text = readFileSync(join(root, 'Dockerfile'), 'utf8');
    const bases = basesOf(text);
    assert.deepEqual(
      bases.map(({ argument }) => argument),
      ['BUILDER_IMAGE', 'RUNTIME_IMAGE'],
    );
    for (const { reference } of bases) assert.match(reference, /^[\w.]+\/[\w./-]+:(?!latest)[\w.-]+@/);
    assert.deepEqual(unpinned(text), []);
  });
});
