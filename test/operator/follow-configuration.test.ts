import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { followConfiguration } from '../../src/operator/follow-configuration.ts';
import { FILE_POLL_MS } from '../../src/util/poll-file.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { eventually } from '../support/cluster.ts';

describe('the configuration file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'configuration-'));
  after(() => rmSync(directory, { recursive: true }));
  let version = 0;

  /** As the kubelet replaces what it mounts of a ConfigMap. */
  function mount(text: string): string {
    const name = `..version_${(version += 1)}`;
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'operator.yaml'), text);
    symlinkSync(name, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    return join(directory, '..data', 'operator.yaml');
  }

  it('is noticed to change, each time once, and to be again what it was', async () => {
    const clock = new VirtualClock();
    const path = mount('a');
    const changes: string[] = [];
    const stop = followConfiguration({ path, text: 'a' }, clock, (now) =>
      changes.push(now instanceof Error ? now.message : (now ?? 'as it was')),
    );
    /** A look has ended when it has armed the timer of the next. */
    const look = async () => {
      const { nextAt } = clock;
      await clock.advance(FILE_POLL_MS);
      await eventually(() => assert.ok(clock.nextAt !== undefined && clock.nextAt !== nextAt));
    };
    await look();
    assert.deepEqual(changes, []);
    mount('b');
    await look();
    await look();
    mount('c');
    await look();
    mount('a');
    await look();
    rmSync(path);
    await look();
    await look();
    assert.deepEqual(changes, ['b', 'c', 'as it was', `ENOENT: no such file or directory, open '${path}'`]);
    stop();
    assert.equal(clock.pending, 0);
  });
});
