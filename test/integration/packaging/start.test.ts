/** The demonstration, run as a new user does. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

describe('npm start', () => {
  it('shows all sample profiles Ready, and ends at an interrupt', async () => {
    const child = spawn(process.execPath, [join(ROOT, 'scripts/start.ts')], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit');
    let output = '';
    const shown = new Promise<void>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
          if (output.includes('Ctrl-C ends it')) resolve();
        });
      }
    });
    await Promise.race([shown, exited]);
    assert.match(output, /profiles +applied, and Ready/);
    assert.match(output, /^shop .* True +Enforced/m);
    child.kill('SIGINT');
    const [code] = (await exited) as [number | null];
    assert.equal(code, 0, output);
  });
});
