/** The user's cache, in which built and downloaded tools are kept for the next run. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The path of a folder in the user's cache. */
export function cacheDirectory(folder: string, environment: NodeJS.ProcessEnv = process.env): string {
  const usual = process.platform === 'darwin' ? join('Library', 'Caches') : '.cache';
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), usual), 'segmentation-operator', folder);
}
