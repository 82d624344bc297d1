// Progress on a terminal and in a pipe.
import assert from 'node:assert/strict';
import { showProgress, withElapsed } from '../../env/tooling/progress.ts';

const output = (isTTY: boolean, columns = 40) => {
  const written: string[] = [];
  return { written, isTTY, columns, write: (text: string) => written.push(text) > 0 };
};

describe('progress', () => {
  it('rewrites one line on a terminal, cut to its width, and clears it at the end', () => {
    const terminal = output(true, 12);
    const progress = showProgress(terminal);
    progress('Building etcd ... 0:00 (note)');
    progress('');
    assert.deepEqual(terminal.written, ['\r\x1b[KBuilding et', '\r\x1b[K']);
  });

  it('writes one plain line for each step in a pipe', () => {
    const pipe = output(false);
    const progress = showProgress(pipe);
    for (const line of ['One ... 0:00 (n)', 'One ... 0:01 (n)', 'Two ... 0:00 (n)', 'Two ... 0:01 (n)', ''])
      progress(line);
    assert.deepEqual(pipe.written, ['One ... 0:00 (n)\n', 'Two ... 0:00 (n)\n']);
  });

  it('counts the seconds of a step until it ends', async () => {
    const lines: string[] = [];
    await withElapsed(
      (line) => lines.push(line),
      'Step',
      () => `note ${lines.length}`,
      () => new Promise((resolve) => setTimeout(resolve, 1100)),
    );
    assert.deepEqual(lines, ['Step ... 0:00 (note 0)', 'Step ... 0:01 (note 1)']);
  });
});
