// Mutual exclusion between processes by a lock of the kernel (SQLite's lock of a file). It ends with the process that
// has it, even if that is killed, so there are no stale locks.
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL = 200; // ms
const SQLITE_BUSY = 5;

/**
 * Runs `work` with the lock at `path`, an empty file that is not removed. Calls `onWait` every 200 ms while another
 * process has the lock.
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
