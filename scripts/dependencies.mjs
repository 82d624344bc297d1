/**
 * Installs node_modules from the lockfile when they are missing or stale. Runs on any Node from 18, so it is plain
 * JavaScript and imports nothing but Node.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * True if node_modules holds the packages of package-lock.json. npm records what it installed, after everything else, in
 * node_modules/.package-lock.json. Optional packages may be absent: they are for other platforms.
 *
 * @param {string} root
 */
export function areInstalled(root) {
  const wanted = read(join(root, 'package-lock.json'));
  const installed = read(join(root, 'node_modules/.package-lock.json'));
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted.packages).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = installed.packages?.[path];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

/**
 * Runs `npm ci` if it is needed. Of several processes that come at once, one installs and the others wait.
 *
 * @param {string} root
 * @returns {boolean} false if npm failed, after npm has printed why
 */
export function installIfNeeded(root) {
  if (areInstalled(root)) return true;
  const lock = join(root, '.install-lock');
  acquire(lock);
  try {
    if (areInstalled(root)) return true;
    console.error('Installing dependencies from package-lock.json (usually under a minute) ...');
    const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
    });
    return npm.status === 0;
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Waits for the lock, a folder; a lock whose process has ended is removed. */
function acquire(lock) {
  for (;;) {
    try {
      mkdirSync(lock);
      writeFileSync(join(lock, 'pid'), String(process.pid));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const holder = holderOf(lock);
      if (holder !== undefined && !isAlive(holder)) rmSync(lock, { recursive: true, force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    }
  }
}

function holderOf(lock) {
  try {
    return Number(readFileSync(join(lock, 'pid'), 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** The lockfile at `path`; undefined if there is none, or it is cut off. */
function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
