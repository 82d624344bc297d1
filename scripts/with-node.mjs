/**
 * Runs a TypeScript entry point after its set-up: dependencies are installed when they are missing or stale, and a recent
 * enough Node is used. Runs on any Node from 18, so it is plain JavaScript and imports nothing but Node and its neighbour.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installIfNeeded } from './dependencies.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const MINIMUM_MAJOR = 24;

const [entry, ...args] = process.argv.slice(2);
if (!entry) {
  console.error('usage: node scripts/with-node.mjs ENTRY [ARG ...]');
  process.exit(2);
}

if (!installIfNeeded(root)) {
  console.error('npm ci failed; its messages are above.');
  process.exit(1);
}

const isRecent = Number(process.versions.node.split('.')[0]) >= MINIMUM_MAJOR;
const packaged = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
if (!isRecent && !existsSync(packaged)) {
  console.error(
    `Node ${MINIMUM_MAJOR} or later is needed; this is ${process.version}, and the \`node\` package could not ` +
      `install one for ${process.platform}-${process.arch}. Install Node ${MINIMUM_MAJOR} and try again.`,
  );
  process.exit(1);
}

const child = spawn(
  isRecent ? process.execPath : packaged,
  ['--disable-warning=ExperimentalWarning', join(root, entry), ...args],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${join(modules, '.bin')}:${process.env.PATH ?? ''}` },
  },
);
// The terminal sends Ctrl-C to the whole process group; `kill` reaches only this process, so it is passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
process.on('SIGINT', () => {});
// npm runs scripts through a shell that passes on no signals: a killed npm shows only in the new parent process.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM');
}, 500).unref();
child.on('exit', (code, signal) => process.exit(signal ? 128 + (signal === 'SIGINT' ? 2 : 15) : (code ?? 1)));
