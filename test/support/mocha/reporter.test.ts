import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

describe('a test run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'test-run-'));
  after(() => rmSync(directory, { recursive: true }));

  const file = (name: string, text: string): string => {
    const path = join(directory, `${name}.test.mjs`);
    writeFileSync(path, text);
    return path;
  };
  const run = (...args: string[]) => {
    const { TEST_DURATIONS: _, MOCHA_WORKER_ID: __, ...env } = process.env;
    const command = [...process.execArgv, join(ROOT, 'scripts/test.ts'), '--unit', ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, {
      cwd: ROOT,
      encoding: 'utf8',
      env,
    });
    return { status, lines: stdout.trimEnd().split('\n'), errors: stderr };
  };

  const passing = file('passing', "it('passes', () => {});");

  it('ends with the numbers of passed and failed tests if processes of tests end, and names their files', () => {
    const killed = file('killed', "it('ends', () => process.kill(process.pid, 'SIGKILL'));");
    const broken = file('broken', "import './absent.mjs';");
    const { status, lines } = run(killed, passing, broken);
    assert.equal(lines.at(-1), '1 passed, 2 failed', lines.join('\n'));
    assert.notEqual(status, 0);
    for (const name of ['killed', 'broken'])
      assert.ok(
        lines.some(
          (line) => /^ +\d+\) .*: Uncaught error outside test suite$/.test(line) && line.includes(name),
        ),
        `no line names ${name}: ${lines.join('\n')}`,
      );
  });

  it('ends with a failure if no test can start', () => {
    const { status, lines, errors } = run(passing, '--require', './absent.mjs');
    assert.equal(lines.at(-1), '0 passed, 1 failed', lines.join('\n'));
    assert.match(errors, /mocha ended before the last test: exit code 1/);
    assert.equal(status, 1);
  });
});
