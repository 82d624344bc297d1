/** Progress, remarks and colours of a terminal, and tables. */
import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import { table } from '../../../src/cli/shell/output.ts';
import { type Process, Terminal } from '../../../src/cli/shell/terminal.ts';

function processWith(isTTY: boolean): { process: Process; written: string[] } {
  const written: string[] = [];
  const stream = () =>
    Object.assign(
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          written.push(chunk.toString());
          done();
        },
      }),
      { isTTY, columns: 80 },
    );
  const streams = { stdin: Readable.from([]), stdout: stream(), stderr: stream() };
  return { process: { env: {}, cwd: '/', ...streams }, written };
}

describe('Terminal', () => {
  it('shows progress, and clears it before it writes anything else', () => {
    const { process, written } = processWith(true);
    const terminal = new Terminal(process, 'never');
    terminal.progress('reading: 500 objects');
    terminal.progress('reading: 500 objects');
    terminal.print('done');
    assert.deepEqual(written, ['reading: 500 objects', '\r\u001b[K', 'done\n']);
  });

  it('writes no progress to a pipe', () => {
    const { process, written } = processWith(false);
    const terminal = new Terminal(process);
    terminal.progress('reading');
    terminal.print('done');
    assert.deepEqual(written, ['done\n']);
    assert.equal(terminal.width, undefined);
  });

  it('writes more lines than a call has arguments', () => {
    const { process, written } = processWith(false);
    const rows = Array.from({ length: 200_000 }, () => ['cell']);
    new Terminal(process).print('title', table(['HEAD'], rows));
    assert.equal(written.join('').split('\n').length, rows.length + 3);
  });

  it('writes equal remarks once', () => {
    const { process, written } = processWith(false);
    const terminal = new Terminal(process);
    terminal.note('a');
    terminal.note('a');
    terminal.warn('b');
    assert.deepEqual(written, ['note: a\n', 'warning: b\n']);
  });
});

describe('table', () => {
  it('aligns columns by visible width, and ends no line in spaces', () => {
    const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
    const lines = table(
      ['NAME', 'STATE', 'LAST'],
      [
        ['a', { text: 'Open', paint: red }, ''],
        ['long-name', 'Enforced', 'x'],
      ],
    );
    assert.deepEqual(lines, [
      'NAME        STATE      LAST',
      `a           ${red('Open')}`,
      'long-name   Enforced   x',
    ]);
  });
});
