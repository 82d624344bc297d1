/** The bundles, started as in the image: from a read-only directory, by an unprivileged user. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { locateBinaries } from '../../env/index.ts';

const root = join(import.meta.dirname, '../../..');
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

function build(outfile: string): void {
  const args = [join(root, 'scripts/build.ts'), '--outfile', outfile];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /operator\.mjs \d+ KiB/);
  assert.doesNotMatch(stdout, /kubectl-segmentation/);
}

describe('the bundle', () => {
  let directory: string;
  let app: string;
  let node: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bundle-'));
    app = join(directory, 'app');
    mkdirSync(app);
    build(join(app, 'operator.mjs'));
    for (const file of readdirSync(app)) chmodSync(join(app, file), 0o444);
    chmodSync(app, 0o555);
    chmodSync(directory, 0o755);
    // Another user may have no access to the Node of a clone in root's home.
    node = isRoot ? join(directory, 'node') : process.execPath;
    if (isRoot) copyFileSync(process.execPath, node, constants.COPYFILE_FICLONE);
  });
  after(() => {
    chmodSync(app, 0o755);
    rmSync(directory, { recursive: true });
  });

  const run = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(node, [join(app, 'operator.mjs'), ...args], {
      encoding: 'utf8',
      cwd: '/',
      env: { NODE_ENV: 'production' },
      timeout: 20_000, // ms
      ...(isRoot && { uid: NOBODY, gid: NOBODY }),
    });
    return { status, stdout, stderr };
  };

  it('prints its version', () => {
    const { status, stdout, stderr } = run('--version');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^(note: .*\n)*$/);
    assert.ok(stdout.includes(version), stdout);
  });

  it('prints its flags', () => {
    const { status, stdout, stderr } = run('--help');
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    assert.match(stdout, /--kubeconfig/);
  });

  it('has the thread of an audit beside it, and loads no check without it', () => {
    const settings = { skip: ['nonsense'] };
    const script = `
      const { Worker } = require('node:worker_threads');
      const thread = new Worker(process.argv[1], { workerData: { settings: ${JSON.stringify(settings)} } });
      thread.once('message', (answer) => { console.log(JSON.stringify(answer)); void thread.terminate(); });
      thread.postMessage({ method: 'unknownChecks', args: [] });
    `;
    const path = join(app, 'operator-audit.mjs');
    const { stdout, stderr } = spawnSync(node, ['-e', script, path], { encoding: 'utf8', cwd: '/' });
    assert.deepEqual([stdout, stderr], ['{"kind":"value","value":["nonsense"]}\n', '']);
    const check = 'namespace-without-policy';
    assert.ok(readFileSync(path, 'utf8').includes(check));
    assert.ok(!readFileSync(join(app, 'operator.mjs'), 'utf8').includes(check));
  });

  it('has the same bytes when it is built in another place', () => {
    const again = join(directory, 'again');
    build(join(again, 'operator.mjs'));
    assert.deepEqual(readdirSync(again), readdirSync(app));
    for (const file of readdirSync(app)) {
      assert.ok(readFileSync(join(again, file)).equals(readFileSync(join(app, file))), `${file} differs`);
    }
  });
});

describe('the bundle of the kubectl plugin', () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'plugin-'));
    const args = [join(root, 'scripts/build.ts'), '--plugin', join(directory, 'kubectl-segmentation')];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
  after(() => rmSync(directory, { recursive: true }));

  it('is found by kubectl, and works without other files', async () => {
    const { kubectl } = await locateBinaries();
    const { status, stdout, stderr } = spawnSync(
      kubectl,
      ['segmentation', 'render', '-f', join(root, 'config/samples/shop'), '-o', 'name'],
      {
        encoding: 'utf8',
        cwd: directory,
        env: { PATH: [directory, dirname(process.execPath)].join(delimiter) },
      },
    );
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^networkpolicy\.networking\.k8s\.io\/shop\.default-deny$/m);
  });

  const run = (command: string, ...args: readonly string[]) => {
    const path = [directory, dirname(process.execPath), process.env['PATH']].join(delimiter);
    const env = { PATH: path, HOME: directory };
    const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', cwd: root, env });
    assert.equal(error, undefined, stderr);
    return stdout;
  };

  it("completes command lines through kubectl's completion", async () => {
    const { kubectl } = await locateBinaries();
    const script = join(directory, 'kubectl_complete-segmentation');
    writeFileSync(script, run('kubectl-segmentation', 'completion', 'kubectl'), { mode: 0o755 });
    const complete = (...words: readonly string[]) => run(kubectl, '__complete', 'segmentation', ...words);
    assert.match(complete('ren'), /^render\tprint the NetworkPolicies/m);
    assert.match(complete('render', '-o', 'ya'), /^yaml$/m);
    const ends = complete('explain', '-f', 'config/samples/shop', 'shop-pay');
    assert.match(ends, /^shop-payments\/deploy\/ledger$/m);
  });

  it('completes command lines in bash', () => {
    const script = `
source <(kubectl-segmentation completion bash)
COMP_WORDS=(kubectl-segmentation render -o j); COMP_CWORD=3; _kubectl_segmentation; echo "\${COMPREPLY[*]}"
COMP_WORDS=(kubectl-segmentation expl); COMP_CWORD=1; _kubectl_segmentation; echo "\${COMPREPLY[*]}"
COMP_WORDS=(kubectl-segmentation status -f config/sam); COMP_CWORD=3; _kubectl_segmentation 2>/dev/null; echo "\${COMPREPLY[*]}"
`;
    assert.equal(run('bash', '-c', script), 'json\nexplain\nconfig/samples\n');
  });
});
