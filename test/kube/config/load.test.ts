// Finding the cluster's configuration, and messages about wrong ones.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadKubeConfig } from '../../../src/kube/config/load.ts';
import type { KubeConfigOptions } from '../../../src/kube/config/load.ts';

describe('loadKubeConfig', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const write = (name: string, content: string) => {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  };
  /** Loads without the machine's own configuration. */
  const load = (options: KubeConfigOptions = {}) =>
    loadKubeConfig({
      serviceAccountRoot: join(directory, 'serviceaccount'),
      ...options,
      env: { HOME: directory, ...options.env },
    });
  const config = (name: string, more: { server?: string; namespace?: string; current?: string } = {}) => `
apiVersion: v1
kind: Config
clusters:
- name: ${name}
  cluster: {server: "${more.server ?? `https://${name}:6443/`}"}
users:
- name: ${name}
  user: {token: secret}
contexts:
- name: ${name}
  context: {cluster: ${name}, user: ${name}, namespace: "${more.namespace ?? ''}"}
current-context: ${more.current ?? name}
`;
  const pod = () => {
    write('serviceaccount/token', 'secret');
    write('serviceaccount/ca.crt', 'certificate');
    write('serviceaccount/namespace', 'segmentation-system\n');
    return { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  };

  it('prefers --kubeconfig, then KUBECONFIG, then the Pod, then the home directory', async () => {
    const flag = write('flag', config('flag'));
    const listed = write('env', config('env'));
    write('.kube/config', config('home'));
    const env = { ...pod(), KUBECONFIG: listed };
    assert.equal((await load({ kubeconfig: flag, env })).server, 'https://flag:6443');
    assert.equal((await load({ env })).server, 'https://env:6443');
    assert.equal((await load({ env: pod() })).server, 'https://[fd00::1]:443');
    assert.equal((await load()).server, 'https://home:6443');
  });

  it('returns the source and the namespace of the configuration', async () => {
    const file = write('file', config('file', { namespace: 'shop' }));
    const { source, context, namespace } = await load({ kubeconfig: file });
    assert.deepEqual([source, context, namespace], [file, 'file', 'shop']);
    const inPod = await load({ env: pod() });
    assert.deepEqual([inPod.source, inPod.namespace], ['in-cluster ServiceAccount', 'segmentation-system']);
  });

  it('merges the files of KUBECONFIG as kubectl does: the first file has precedence, missing files are skipped', async () => {
    const a = write('a', config('a'));
    const b = write('b', config('b'));
    const again = write('again', config('a', { server: 'https://other' }));
    const env = { KUBECONFIG: [join(directory, 'missing'), a, b, again].join(':') };
    assert.equal((await load({ env })).server, 'https://a:6443');
    assert.equal((await load({ env, context: 'b' })).server, 'https://b:6443');
  });

  it('accepts an http server, such as kubectl proxy', async () => {
    const file = write('http', config('http', { server: 'http://127.0.0.1:8001' }));
    const found = await load({ kubeconfig: file });
    const { headers } = await found.load().credentials();
    assert.deepEqual(headers, [['authorization', 'Bearer secret']]);
  });

  describe('throws an error of one line', () => {
    const cases: [string, () => KubeConfigOptions, RegExp][] = [
      ['if no cluster is configured', () => ({}), /give --kubeconfig FILE or set KUBECONFIG/],
      [
        'if the file of --kubeconfig is missing',
        () => ({ kubeconfig: '/no/such/file' }),
        /\/no\/such\/file: no such file; give/,
      ],
      [
        'if no file of KUBECONFIG exists',
        () => ({ env: { KUBECONFIG: '/no/such/file' } }),
        /KUBECONFIG=\/no\/such\/file: no such file; correct or unset it/,
      ],
      [
        'if the kubeconfig is a directory',
        () => ({ kubeconfig: directory }),
        /can't be read as a kubeconfig: EISDIR/,
      ],
      [
        'if the kubeconfig is not YAML',
        () => ({ kubeconfig: write('x', 'a: [') }),
        /can't be read as a kubeconfig/,
      ],
      [
        'if the file is YAML but not a kubeconfig',
        () => ({ kubeconfig: write('x', 'a: 1') }),
        /it has no clusters or no contexts/,
      ],
      ['if the kubeconfig is empty', () => ({ kubeconfig: write('x', '') }), /not a kubeconfig/],
      [
        'that lists the contexts if --context names none of them',
        () => ({ kubeconfig: write('x', config('a')), context: 'b' }),
        /no context "b" \(it has: a\)/,
      ],
      [
        'if there is no current context',
        () => ({ kubeconfig: write('x', config('a', { current: '""' })) }),
        /no current-context; choose one with --context \(it has: a\)/,
      ],
      [
        'if the current context does not exist',
        () => ({ kubeconfig: write('x', config('a', { current: 'b' })) }),
        /no context "b"/,
      ],
      [
        'if the context names a cluster that does not exist',
        () => ({ kubeconfig: write('x', config('a').replace('cluster: a', 'cluster: b')) }),
        /names cluster "b", which is not in the file/,
      ],
      [
        'if the context names a user that does not exist',
        () => ({ kubeconfig: write('x', config('a').replace('user: a', 'user: b')) }),
        /names user "b", which is not in the file/,
      ],
      [
        'if the server is not a URL',
        () => ({ kubeconfig: write('x', config('a', { server: 'a:6443' })) }),
        /has server "a:6443"; write https:\/\/HOST:PORT/,
      ],
      [
        'if the cluster has no server',
        () => ({ kubeconfig: write('x', config('a').replace(/server: "[^"]*"/, '')) }),
        /not a valid kubeconfig: .*server is missing/,
      ],
      [
        'if --context is used with a ServiceAccount of a Pod',
        () => ({ context: 'a', env: pod() }),
        /ServiceAccount has no contexts; add --kubeconfig/,
      ],
    ];
    for (const [name, options, message] of cases) {
      it(name, async () => {
        await assert.rejects(load(options()), (error: unknown) => {
          assert.ok(error instanceof Error);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /\n/);
          return true;
        });
      });
    }
  });
});
