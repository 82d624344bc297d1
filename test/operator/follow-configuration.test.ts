import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { followConfiguration } from '../../src/operator/follow-configuration.ts';
import { FILE_POLL_MS } from '../../src/util/poll-file.ts';
import { VirtualClock } from '../support/clocks/virtual-clock.ts';
import { eventually } from '../support/cluster.ts';

describe('followConfiguration', () => {
  const directory = mkdtempSync(join(tmpdir(), 'configuration-'));
  after(() => rmSync(directory, { recursive: true }));
  let version = 0;

  /** Replaces the file as the kubelet replaces a mounted ConfigMap: by a symbolic link. */
  function mount(text: string): string {
    const name = `..version_${(version += 1)}`;
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'operator.yaml'), text);
    symlinkSync(name, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    return join(directory, '..data', 'operator.yaml');
  }

  it('reports each change of the file once, and when the file is again as it was at the start', async () => {
    const clock = new VirtualClock();
    const path = mount('a');
    const changes: string[] = [];
    const stop = followConfiguration({ path, text: 'a' }, clock, (change) =>
      changes.push(
        change.kind === 'unreadable'
          ? change.error.message
          : change.kind === 'changed'
            ? change.text
            : 'as at the start',
      ),
    );
    /** A read has ended when the timer of the next one is set. */
    const read = async () => {
      const { nextAt } = clock;
      await clock.advance(FILE_POLL_MS);
      await eventually(() => assert.ok(clock.nextAt !== undefined && clock.nextAt !== nextAt));
    };
    await read();
    assert.deepEqual(changes, []);
    mount('b');
    await read();
    await read();
    mount('c');
    await read();
    mount('a');
    await read();
    rmSync(path);
    await read();
    await read();
    assert.deepEqual(changes, [
      'b',
      'c',
      'as at the start',
      `ENOENT: no such file or directory, open '${path}'`,
    ]);
    stop();
    assert.equal(clock.pending, 0);
  });
});
