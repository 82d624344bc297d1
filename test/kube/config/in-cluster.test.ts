// The credentials of a Pod: their files, as the kubelet mounts and rotates them.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contents, OPERATOR } from '../../../scripts/bundle/programs.ts';
import type { ClusterConfig } from '../../../src/kube/config/cluster-config.ts';
import { loadKubeConfig } from '../../../src/kube/config/load.ts';
import { CredentialSource } from '../../../src/kube/http/credentials.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

/** Age in milliseconds after which a rotated token must be in use, as in client-go. */
const ROTATED_MS = 60_000;

describe("a Pod's ServiceAccount", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'service-account-'));
    mount({ token: 'first\n', 'ca.crt': 'authority', namespace: 'segmentation-system\n' });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  let mounts = 0;
  /** Replaces all files at once, through the link `..data`, as the kubelet does. */
  function mount(files: Readonly<Record<string, string>>): void {
    const directory = `..${mounts++}`;
    mkdirSync(join(root, directory));
    for (const [name, content] of Object.entries(files)) writeFileSync(join(root, directory, name), content);
    symlinkSync(directory, join(root, '..next'));
    renameSync(join(root, '..next'), join(root, '..data'));
    for (const name of ['token', 'ca.crt', 'namespace']) {
      rmSync(join(root, name), { force: true });
      symlinkSync(join('..data', name), join(root, name));
    }
  }

  const load = (host = '10.0.0.1'): Promise<ClusterConfig> =>
    loadKubeConfig({
      serviceAccountRoot: root,
      env: { HOME: root, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: '443' },
    });
  const credentials = async () => (await load()).load().credentials();

  it('gives the API server a bearer token, and trusts the mounted certificate authority alone', async () => {
    assert.deepEqual(await credentials(), {
      headers: [['authorization', 'Bearer first']],
      tls: { ca: 'authority' },
    });
  });

  it('is used at the address of KUBERNETES_SERVICE_HOST, of either family, in its own namespace', async () => {
    const config = await load();
    assert.deepEqual([config.server, config.namespace], ['https://10.0.0.1:443', 'segmentation-system']);
    assert.equal((await load('fd00::1')).server, 'https://[fd00::1]:443');
    assert.equal((await load('kubernetes.default.svc')).server, 'https://kubernetes.default.svc:443');
  });

  it('has no namespace if the file is missing', async () => {
    mount({ token: 'first', 'ca.crt': 'authority' });
    assert.equal((await load()).namespace, undefined);
  });

  it('is read again within a minute: a rotated token and authority replace the old ones', async () => {
    const clock = new VirtualClock();
    const source = new CredentialSource(await load(), clock);
    const before = await source.get();
    mount({ token: 'second', 'ca.crt': 'another authority' });
    await clock.advance(ROTATED_MS);
    const after = await source.get();
    assert.deepEqual(after.headers, ['authorization', 'Bearer second']);
    assert.notEqual(after.tlsId, before.tlsId, 'connections must be replaced');
  });

  it('is read again at once if the API server rejects the token', async () => {
    const source = new CredentialSource(await load(), new VirtualClock());
    const rejected = await source.get();
    mount({ token: 'second', 'ca.crt': 'authority' });
    const { headers, tlsId } = await source.replace(rejected);
    assert.deepEqual(headers, ['authorization', 'Bearer second']);
    assert.equal(tlsId, rejected.tlsId, 'connections stay open');
  });

  it('stays in use as it was while its files are missing or empty', async () => {
    const clock = new VirtualClock();
    const source = new CredentialSource(await load(), clock);
    await source.get();
    const broken: Record<string, string>[] = [{}, { token: '', 'ca.crt': 'authority' }];
    for (const files of broken) {
      mount(files);
      await clock.advance(ROTATED_MS);
      assert.deepEqual((await source.get()).headers, ['authorization', 'Bearer first']);
    }
  });

  for (const [name, files, message] of [
    ['without a certificate authority', { token: 'first' }, /can't be read: ENOENT.*ca\.crt/],
    ['with an empty token', { token: '\n', 'ca.crt': 'authority' }, /can't be read: .*token is empty/],
    [
      'with an empty certificate authority',
      { token: 'a', 'ca.crt': '' },
      /can't be read: .*ca\.crt is empty/,
    ],
  ] as const) {
    it(`${name} has no credentials, and an error of one line says so`, async () => {
      mount(files);
      await assert.rejects(credentials(), (error: Error) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });
  }

  it('does not load client-node: no static import of the operator leads to it', async () => {
    const { inputs } = await contents(join(import.meta.dirname, '../../..'), OPERATOR);
    const reached = new Set<string>();
    const visit = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const { path: imported, kind } of inputs[path]?.imports ?? [])
        if (kind !== 'dynamic-import') visit(imported);
    };
    visit(OPERATOR.entry);
    assert.ok(reached.has('src/kube/config/load.ts'));
    assert.deepEqual(
      [...reached].filter((path) => path.includes('@kubernetes/client-node')),
      [],
    );
  });
});
