import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { durationTable } from '../../../scripts/suite/durations.ts';
import { durationRecorder, type FileDuration } from './durations.ts';

const BUSY_MS = 200;
const BUSY = `while (process.cpuUsage().user < ${BUSY_MS * 1000});`;

describe('durations of test files', () => {
  const directory = mkdtempSync(join(tmpdir(), 'durations-'));
  after(() => rmSync(directory, { recursive: true }));

  it('have the processor time of processes that the file has started', function () {
    if (process.platform !== 'linux') this.skip();
    const to = join(directory, 'busy');
    const record = durationRecorder(to);
    record(join(process.cwd(), 'test/first.test.ts'));
    spawnSync(process.execPath, ['-e', BUSY]);
    record(join(process.cwd(), 'test/second.test.ts'));
    const [first, second] = readFileSync(to, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as FileDuration);
    assert.deepEqual([first?.file, second?.file], ['test/first.test.ts', 'test/second.test.ts']);
    assert.ok((second?.cpuMs ?? 0) >= BUSY_MS, JSON.stringify(second));
  });

  it('are a table with a sum, the file with most processor time first', () => {
    const to = join(directory, 'table');
    const record = durationRecorder(to);
    record(join(process.cwd(), 'test/first.test.ts'));
    const lines = durationTable(to).split('\n');
    assert.equal(lines.length, 3);
    assert.match(lines[1] ?? '', /^ +(\d+\.\d|-) +\d+\.\d {2}test\/first\.test\.ts$/);
    assert.match(lines[2] ?? '', / {2}sum$/);
  });
});
