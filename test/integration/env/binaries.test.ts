// The sources of the binaries and their order. The Go command is a script that records its arguments; the real one has
// built the binaries that other tests of this directory run.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { locateBinaries } from '../../env/tooling/binaries.ts';
import { BINARY_NAMES, DEFAULT_MINOR, kubernetesVersion, ownPlatform } from '../../env/tooling/target.ts';
import { eventually, processesWith, runScript } from '../../support/process-table.ts';

const MODULE = new URL('../../env/tooling/binaries.ts', import.meta.url).href;

/** A Go command whose `go list` succeeds, and whose `go build ... -o OUTPUT PACKAGE` takes $SECONDS_EACH. */
const GO = `#!/bin/sh
case $1 in
  list) exit 0 ;;
  build) while [ "$1" != -o ]; do shift; done ;;
esac
echo "$3" >> "$BUILT"
[ "$3" != "$BROKEN" ] || { echo 'missing go.sum entry' >&2; exit 1; }
sh -c 'sleep $SECONDS_EACH; true' "$2"
echo "$3" > "$2"
`;

describe('binaries of the control plane', () => {
  let directory: string;
  let go: string;
  let environment: Record<string, string>;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'binaries-test-'));
    go = join(directory, 'go');
    writeFileSync(go, GO);
    chmodSync(go, 0o755);
    environment = {
      PATH: process.env['PATH'] ?? '',
      KUBERNETES_MINOR: process.env['KUBERNETES_MINOR'] ?? DEFAULT_MINOR,
      XDG_CACHE_HOME: join(directory, 'cache'),
      BUILT: join(directory, 'built'),
      SECONDS_EACH: '0',
    };
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  const cache = () => {
    const { os, arch } = ownPlatform();
    const platform = `${kubernetesVersion()}-${os}-${arch}`;
    return join(directory, 'cache', 'segmentation-operator', 'control-plane', platform);
  };
  const cached = () => readdirSync(cache()).filter((name) => name !== '.lock');
  const built = () =>
    existsSync(join(directory, 'built')) ? readFileSync(join(directory, 'built'), 'utf8') : '';
  const assets = (...names: string[]) => {
    mkdirSync(join(directory, 'assets'));
    for (const name of names) writeFileSync(join(directory, 'assets', name), '');
    environment['KUBEBUILDER_ASSETS'] = join(directory, 'assets');
  };
  const locate = (onProgress: (line: string) => void = () => {}) =>
    locateBinaries({ environment, go, onProgress });

  it('come from KUBEBUILDER_ASSETS if it has all of them', async () => {
    assets(...BINARY_NAMES);
    assert.equal((await locate()).etcd, join(directory, 'assets', 'etcd'));
    assert.equal(built(), '');
  });

  it('are built if KUBEBUILDER_ASSETS lacks only the controller manager, as the official archive does', async () => {
    assets('etcd', 'kube-apiserver', 'kubectl');
    const binaries = await locate();
    assert.equal(binaries.kubectl, join(directory, 'assets', 'kubectl'));
    assert.equal(binaries['kube-controller-manager'], join(cache(), 'kube-controller-manager'));
    assert.equal(built(), 'k8s.io/kubernetes/cmd/kube-controller-manager\n');
  });

  it('are refused if KUBEBUILDER_ASSETS lacks another one', async () => {
    assets('etcd');
    await assert.rejects(locate(), /which lacks kube-apiserver, kubectl: correct or unset it/);
  });

  it('are built once, with progress, and then come from the cache', async () => {
    const lines: string[] = [];
    const binaries = await locate((line) => lines.push(line));
    assert.equal(readFileSync(binaries['kube-apiserver'], 'utf8'), 'k8s.io/kubernetes/cmd/kube-apiserver\n');
    assert.deepEqual(cached(), [...BINARY_NAMES]);
    assert.match(
      lines[0] ?? '',
      /^Building etcd \(1 of 4, this once\) \.\.\. 0:00 \(all four usually take about 5 min/,
    );
    assert.equal(lines.at(-1), '');

    const after = built();
    assert.deepEqual(await locate(assert.fail), binaries);
    assert.equal(built(), after);
  });

  it('are built by one of two processes while the other waits', async () => {
    environment['SECONDS_EACH'] = '0.2';
    const waiting: string[] = [];
    const both = await Promise.all([locate(), locate((line) => waiting.push(line))]);
    assert.deepEqual(both[0], both[1]);
    assert.equal(built().trim().split('\n').length, 4);
    assert.match(waiting[0] ?? '', /^Waiting for another process/);
  });

  it('are kept if they are complete when a later build fails', async () => {
    environment['BROKEN'] = 'k8s.io/kubernetes/cmd/kube-controller-manager';
    await assert.rejects(locate(), /go build failed:\nmissing go\.sum entry/);
    assert.deepEqual(cached(), ['etcd', 'kube-apiserver']);

    delete environment['BROKEN'];
    await locate();
    assert.equal(built().match(/kube-apiserver/g)?.length, 1);
  });

  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    it(`leave no incomplete file and no running build after ${signal}`, async () => {
      environment['SECONDS_EACH'] = '300';
      const builder = runScript(
        `const { locateBinaries } = await import('${MODULE}');
         await locateBinaries({ go: '${go}', onProgress: console.log });`,
        environment,
      );
      assert.match(await builder.line(), /^Building etcd/);
      await eventually(
        'the build is under way',
        () => processesWith(`${cache()}/.unfinished/etcd`).length >= 2,
      );
      builder.process.kill(signal);
      await once(builder.process, 'exit');
      await eventually('it is gone', () => processesWith(cache()).length === 0 && cached().length === 0);
    });
  }

  it('are built after an earlier run crashed during a build', async () => {
    mkdirSync(join(cache(), '.unfinished'), { recursive: true });
    writeFileSync(join(cache(), '.unfinished', 'etcd'), 'half');
    await locate();
    assert.deepEqual(cached(), [...BINARY_NAMES]);
  });
});
