/** Builds the oracle from its Go module and keeps it in the user's cache, under a name made of its sources. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Go } from '../env/build.ts';
import { withLock } from '../env/lock.ts';
import { ProcessSet } from '../env/processes.ts';
import { showProgress, withElapsed } from '../env/progress.ts';
import { workDirectory } from '../env/target.ts';

const MODULE = join(import.meta.dirname, '..', 'env', 'tools', 'cyclonus');

/** Resolves the path of the oracle. @throws with Go's messages if it can't be built */
export async function buildOracle(go: Go): Promise<string> {
  const directory = join(cacheDirectory(), 'segmentation-operator', 'oracle');
  const binary = join(directory, `cyclonus-${digestOfSources()}`);
  if (existsSync(binary)) return binary;
  mkdirSync(directory, { recursive: true });
  const progress = showProgress();
  const build = async () => {
    if (existsSync(binary)) return; // another process built it while this one waited
    const processes = new ProcessSet(workDirectory(directory));
    try {
      const output = join(processes.directory, 'cyclonus');
      // Without -buildvcs=false Go asks git about the checkout, which there need not be.
      const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', output, '.'];
      await processes.run(go.command, args, { workingDirectory: MODULE, environment: go.environment });
      renameSync(output, binary);
    } finally {
      await processes.stop();
    }
  };
  try {
    await withElapsed(
      progress,
      'Building the independent evaluator (this once)',
      () => 'at most 2 minutes on 2 cores',
      () => withLock(join(directory, '.lock'), build),
    );
  } finally {
    progress('');
  }
  return binary;
}

function digestOfSources(): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const name of ['go.mod', 'go.sum', 'main.go']) hash.update(readFileSync(join(MODULE, name)));
  return hash.digest('hex').slice(0, 16);
}

function cacheDirectory(): string {
  const usual = process.platform === 'darwin' ? join('Library', 'Caches') : '.cache';
  return process.env['XDG_CACHE_HOME'] || join(homedir(), usual);
}
