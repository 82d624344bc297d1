/** Where what was built or downloaded stays, so that it is there for the next run. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The path of a folder in the user's cache. */
export function cacheDirectory(folder: string, environment: NodeJS.ProcessEnv = process.env): string {
  const usual = process.platform === 'darwin' ? join('Library', 'Caches') : '.cache';
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), usual), 'segmentation-operator', folder);
}
