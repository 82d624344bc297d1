/**
 * Installs packages that only a few tests need and that are too large for node_modules, from a package.json and its
 * lockfile in tools/. They are kept in the user's cache under a name with a hash of the two.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { cacheDirectory } from './cache.ts';
import { withLock } from './lock.ts';
import { showProgress, withElapsed } from './progress.ts';
import { workDirectory } from './target.ts';

const FILES = ['package.json', 'package-lock.json'];
const INSTALL = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

export interface NpmTools {
  /** The path of a file of a package, such as `mermaid/dist/mermaid.min.js`. */
  path(file: string): string;
  /** Imports a package as a type that the caller knows. */
  load<T>(name: string): Promise<T>;
}

/** @param folder folder under test/env/tools @throws Error with npm's messages if the packages can't be installed */
export async function npmTools(folder: string, title: string): Promise<NpmTools> {
  const sources = join(import.meta.dirname, '../tools', folder);
  const hash = createHash('sha256');
  for (const name of FILES) hash.update(readFileSync(join(sources, name)));
  const parent = cacheDirectory('tools');
  const directory = join(parent, `${folder}-${hash.digest('hex').slice(0, 16)}`);
  if (!existsSync(directory)) {
    mkdirSync(parent, { recursive: true });
    const progress = showProgress();
    const install = async () => {
      if (existsSync(directory)) return; // another process has installed them meanwhile
      const work = workDirectory(join(parent, `.${folder}`));
      try {
        mkdirSync(work, { recursive: true });
        for (const name of FILES) copyFileSync(join(sources, name), join(work, name));
        await promisify(execFile)('npm', INSTALL, { cwd: work });
        renameSync(work, directory);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    };
    try {
      await withElapsed(
        progress,
        `Installing ${title} (this once)`,
        () => 'usually half a minute',
        () => withLock(join(parent, `.lock-${folder}`), install),
      );
    } finally {
      progress('');
    }
  }
  const resolve = createRequire(join(directory, 'package.json')).resolve;
  return {
    path: (file) => join(directory, 'node_modules', file),
    load: async <T>(name: string) => (await import(pathToFileURL(resolve(name)).href)) as T,
  };
}
