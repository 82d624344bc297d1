// What a script says of flags that it does not have: one line, and which it has.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const CASES: readonly (readonly [script: string, args: readonly string[], says: RegExp])[] = [
  ['audit.ts', ['--offlin'], /^Unknown option '--offlin'.*\nflags: \[--offline\]\n$/],
  ['generate.ts', ['--chek'], /^Unknown option '--chek'.*\nflags: \[--check\]\n$/],
  ['build.ts', ['--outfile'], /^Option '--outfile <value>' argument missing\nflags: \[--outfile OUTFILE\] /],
];

describe('a script', () => {
  for (const [script, args, says] of CASES) {
    it(`refuses ${script} ${args.join(' ')}`, () => {
      const path = join(import.meta.dirname, '../../scripts', script);
      const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: 'utf8' });
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, says);
    });
  }
});
