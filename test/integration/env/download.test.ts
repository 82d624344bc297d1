// Downloads of the binaries from a file server on loopback, with archives in the published layout.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type LocateOptions, locateBinaries } from '../../env/tooling/binaries.ts';
import { BINARY_NAMES, kubernetesVersion, type Platform } from '../../env/tooling/target.ts';

const LINUX: Platform = { os: 'linux', arch: 'amd64' };
const MINOR = kubernetesVersion().split('.').slice(0, 2).join('.');

describe("download of the control plane's binaries", () => {
  let directory: string;
  let server: Server;
  let base: string;
  /** Files of the server by path. A body longer than `sent` breaks off there. */
  let files: Map<string, { readonly body: Buffer; readonly sent?: number }>;
  let requested: string[];

  before(async () => {
    server = createServer((request, response) => {
      const path = request.url ?? '';
      requested.push(path);
      const file = files.get(path);
      if (!file) return response.writeHead(404).end();
      response.writeHead(200, { 'content-length': file.body.length });
      if (file.sent === undefined) return response.end(file.body);
      return response.write(file.body.subarray(0, file.sent), () => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => server.close());

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'download-test-'));
    requested = [];
    files = new Map();
    publish(`${MINOR}.9`);
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  /** Publishes a version for Linux, and other files that must not be chosen. */
  function publish(version: string): void {
    const archive = makeArchive(version);
    const name = `envtest-v${version}-linux-amd64.tar.gz`;
    const manager = `/release/v${kubernetesVersion()}/bin/linux/amd64/kube-controller-manager`;
    const entry = (hash: string) => ({ [name]: { hash, selfLink: `${base}/archives/${name}` } });
    files.set(`/archives/${name}`, { body: archive });
    files.set('/releases.yaml', {
      body: Buffer.from(
        stringify({
          releases: {
            [`v${MINOR}.0`]: {
              [`envtest-v${MINOR}.0-linux-amd64.tar.gz`]: { hash: '', selfLink: `${base}/old` },
            },
            [`v${version}`]: entry(createHash('sha512').update(archive).digest('hex')),
            [`v${MINOR}.10-rc.1`]: {
              [`envtest-v${MINOR}.10-rc.1-linux-amd64.tar.gz`]: { hash: '', selfLink: `${base}/rc` },
            },
            'v99.0.0': { 'envtest-v99.0.0-linux-amd64.tar.gz': { hash: '', selfLink: `${base}/new` } },
          },
        }),
      ),
    });
    files.set(manager, { body: Buffer.from('manager') });
    files.set(`${manager}.sha256`, {
      body: Buffer.from(createHash('sha256').update('manager').digest('hex')),
    });
  }

  function makeArchive(version: string): Buffer {
    const inside = join(directory, 'content', 'controller-tools', 'envtest');
    mkdirSync(inside, { recursive: true });
    for (const name of ['etcd', 'kube-apiserver', 'kubectl']) {
      writeFileSync(join(inside, name), `${name} ${version}`, { mode: 0o755 });
    }
    const path = join(directory, 'archive.tar.gz');
    execFileSync('tar', ['-czf', path, '-C', join(directory, 'content'), 'controller-tools']);
    return readFileSync(path);
  }

  const locate = (options: LocateOptions = {}) =>
    locateBinaries({
      environment: { XDG_CACHE_HOME: join(directory, 'cache'), PATH: process.env['PATH'] },
      go: join(directory, 'no-go-here'),
      sites: { archives: `${base}/releases.yaml`, releases: `${base}/release` },
      platform: LINUX,
      onProgress: () => {},
      ...options,
    });

  const cached = () =>
    readdirSync(
      join(
        directory,
        'cache',
        'segmentation-operator',
        'control-plane',
        `${kubernetesVersion()}-linux-amd64`,
      ),
    )
      .filter((name) => name !== '.lock')
      .sort();

  /** Damages a published file: different content of the same length, or a body that breaks off. */
  function damage(suffix: string, change: 'altered' | 'broken off'): void {
    for (const [path, { body }] of files) {
      if (!path.endsWith(suffix)) continue;
      if (change === 'altered') files.set(path, { body: Buffer.alloc(body.length, 'x') });
      else files.set(path, { body, sent: Math.floor(body.length / 2) });
    }
  }

  it('uses the newest archive of the minor version, and the controller manager of the exact version', async () => {
    const binaries = await locate();
    assert.deepEqual(cached(), [...BINARY_NAMES].sort());
    assert.equal(readFileSync(binaries['kube-apiserver'], 'utf8'), `kube-apiserver ${MINOR}.9`);
    assert.equal(readFileSync(binaries['kube-controller-manager'], 'utf8'), 'manager');
    for (const path of Object.values(binaries))
      assert.ok(statSync(path).mode & 0o100, `${path} is executable`);
  });

  it('replaces a build if Go is too old', async () => {
    const go = join(directory, 'old-go');
    writeFileSync(
      go,
      '#!/bin/sh\necho "go.mod requires go >= 1.26.0 (running go 1.22.0; GOTOOLCHAIN=local)" >&2; exit 1\n',
    );
    chmodSync(go, 0o755);
    await locate({ go });
    assert.deepEqual(cached(), [...BINARY_NAMES].sort());
  });

  it('happens once', async () => {
    await locate();
    requested = [];
    await locate();
    assert.deepEqual(requested, []);
  });

  it('shows its progress', async () => {
    const lines: string[] = [];
    await locate({ onProgress: (line) => lines.push(line) });
    assert.match(lines[0] ?? '', /^Downloading http.*envtest-v.*\.tar\.gz \.\.\. 0:00 \(0 MB so far/);
  });

  for (const [file, kept] of [
    ['.tar.gz', []],
    ['kube-controller-manager', ['etcd', 'kube-apiserver', 'kubectl']],
  ] as const) {
    it(`refuses a ${file} with a wrong checksum, and succeeds once it is right`, async () => {
      damage(file, 'altered');
      await assert.rejects(
        locate(),
        /has the sha\d+ checksum [0-9a-f]+, and [0-9a-f]+ is published: not used/,
      );
      assert.deepEqual(cached(), kept);
      publish(`${MINOR}.9`);
      await locate();
      assert.deepEqual(cached(), [...BINARY_NAMES].sort());
    });

    it(`refuses a ${file} that breaks off, and succeeds once it is complete`, async () => {
      damage(file, 'broken off');
      await assert.rejects(locate(), /broke off after \d+ bytes: try again/);
      assert.deepEqual(cached(), kept);
      publish(`${MINOR}.9`);
      await locate();
      assert.deepEqual(cached(), [...BINARY_NAMES].sort());
    });
  }

  it('fails with an explanation if no archive exists for the version and platform', async () => {
    await assert.rejects(
      locate({ platform: { os: 'linux', arch: 'arm64' } }),
      new RegExp(`No archive of Kubernetes ${MINOR} is published for linux arm64`),
    );
  });

  it('fails with advice if a file is missing or the network is down', async () => {
    files.clear();
    await assert.rejects(locate(), /releases\.yaml answers HTTP 404\. .*set KUBEBUILDER_ASSETS/);
    const nowhere = 'http://127.0.0.1:9';
    await assert.rejects(
      locate({ sites: { archives: nowhere, releases: nowhere } }),
      /can't be reached \(.*\)\. .*set KUBEBUILDER_ASSETS/,
    );
  });

  it('asks for Go, before any download, on a platform without a published controller manager', async () => {
    await assert.rejects(
      locate({ platform: { os: 'darwin', arch: 'arm64' } }),
      /No kube-controller-manager is published for darwin: install Go [\d.]+ or later/,
    );
    assert.deepEqual(requested, []);
  });
});
