// Runs a TypeScript entry point with all its set-up done: dependencies installed when they are missing or
// stale, and a recent enough Node. It must itself run on any Node that a machine may have (18 and later), so
// it is plain JavaScript and imports nothing but Node.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stamp = join(modules, '.installed');
const lock = join(root, '.install-lock');
const MINIMUM_MAJOR = 24;

const [entry, ...args] = process.argv.slice(2);
if (!entry) {
  console.error('usage: node scripts/with-node.mjs ENTRY [ARG ...]');
  process.exit(2);
}

const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');
const installed = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;

if (!installed()) install();

const own = Number(process.versions.node.split('.')[0]) >= MINIMUM_MAJOR;
const packaged = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
if (!own && !existsSync(packaged)) {
  console.error(
    `Node ${MINIMUM_MAJOR} or later is needed; this is ${process.version}, and the \`node\` package could not ` +
      `install one for ${process.platform}-${process.arch}. Install Node ${MINIMUM_MAJOR} and try again.`,
  );
  process.exit(1);
}

const child = spawn(
  own ? process.execPath : packaged,
  ['--disable-warning=ExperimentalWarning', join(root, entry), ...args],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${join(modules, '.bin')}:${process.env.PATH ?? ''}` },
  },
);
// The terminal sends Ctrl-C to the whole group; a `kill` reaches only this process, so it is passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
process.on('SIGINT', () => {});
// npm runs scripts through a shell, which passes on no signal: when npm is killed, nobody tells us but a new parent.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM');
}, 500).unref();
child.on('exit', (code, signal) => process.exit(signal ? 128 + (signal === 'SIGINT' ? 2 : 15) : (code ?? 1)));

/** Installs node_modules from the lockfile; a second process that comes meanwhile waits for the first. */
function install() {
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const holder = holderOf();
      if (holder !== undefined && !alive(holder)) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    }
  }
  writeFileSync(join(lock, 'pid'), String(process.pid));
  try {
    if (installed()) return;
    console.error('Installing dependencies from package-lock.json (usually under a minute) ...');
    const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
    });
    if (npm.status !== 0) {
      console.error('npm ci failed; its messages are above.');
      process.exitCode = 1;
      rmSync(lock, { recursive: true, force: true });
      process.exit(1);
    }
    writeFileSync(stamp, wanted);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function holderOf() {
  try {
    return Number(readFileSync(join(lock, 'pid'), 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
