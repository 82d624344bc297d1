// The lock with which one process at a time fills the cache.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from '../../env/tooling/lock.ts';
import { runScript } from '../../support/process-table.ts';

const MODULE = new URL('../../env/tooling/lock.ts', import.meta.url).href;

describe('withLock', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lock-test-'));
    path = join(directory, 'lock');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  const holder = () =>
    runScript(`
      const { withLock } = await import('${MODULE}');
      await withLock('${path}', () => {
        console.log('held');
        return new Promise((resolve) => setTimeout(resolve, 60_000));
      });
    `);

  it('runs two concurrent works one after the other', async () => {
    const order: string[] = [];
    const enter = (name: string) =>
      withLock(path, async () => {
        order.push(`${name} in`);
        await sleep(50);
        order.push(`${name} out`);
      });
    await Promise.all([enter('first'), enter('second')]);
    assert.deepEqual(order, ['first in', 'first out', 'second in', 'second out']);
  });

  it('makes a second process wait, with a notice, until the first is killed', async () => {
    const first = holder();
    assert.equal(await first.line(), 'held');
    let waits = 0;
    let holderAlive = true;
    const entered = withLock(
      path,
      async () => holderAlive,
      () => {
        waits += 1;
        if (waits < 2) return;
        holderAlive = false;
        first.process.kill('SIGKILL');
      },
    );
    assert.equal(await entered, false, 'not before the holder was gone');
    assert.ok(waits >= 2);
  });

  it('releases the lock and rejects if the work fails', async () => {
    await assert.rejects(
      withLock(path, () => Promise.reject(new Error('broken'))),
      /broken/,
    );
    assert.equal(await withLock(path, async () => 'worked', assert.fail), 'worked');
  });

  it('rejects at once if the lock can not be created', async () => {
    await assert.rejects(withLock(join(directory, 'absent', 'lock'), async () => {}));
  });
});
