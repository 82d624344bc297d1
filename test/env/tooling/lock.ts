// Mutual exclusion between processes by a lock that the kernel holds (SQLite's lock on a file of its own): it ends
// with its holder, however that ends, so there are no stale locks to recognise and break.
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL = 200; // ms
const SQLITE_BUSY = 5;

/**
 * Runs `work` while this is the only holder of the lock at `path` (an empty file, which stays). While another
 * holds it, calls `onWait` every 200 ms.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  onWait: () => void = () => {},
): Promise<T> {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    while (!tryAcquire(lock)) {
      onWait();
      await sleep(POLL_INTERVAL);
    }
    return await work();
  } finally {
    lock.close();
  }
}

function tryAcquire(lock: DatabaseSync): boolean {
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;'); // no journal file beside it
    return true;
  } catch (error) {
    if ((error as { readonly errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
