/** Runs the plugin within this process, as a terminal or a pipe would. */
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { run } from '../../src/cli/shell/run.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, as they came. */
  readonly output: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether output and remarks go to a terminal. */
  readonly terminal?: boolean;
}

/** @param line arguments, separated by spaces; one that has spaces is given as an item of a list */
export async function cli(line: string | readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd = process.cwd(), stdin = '', env = {}, terminal = false } = options;
  const output: string[] = [];
  const [stdout, stderr] = [sink(terminal, output), sink(terminal, output)];
  const argv = typeof line === 'string' ? line.split(' ').filter(Boolean) : line;
  const code = await run(argv, {
    env: { PATH: process.env['PATH'], ...env },
    cwd,
    stdin: Readable.from([stdin]),
    stdout: stdout.stream,
    stderr: stderr.stream,
  });
  return { code, stdout: stdout.text(), stderr: stderr.text(), output: output.join('') };
}

function sink(
  terminal: boolean,
  all: string[],
): {
  stream: Writable & { isTTY: boolean; columns: number };
  text: () => string;
} {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.toString());
      all.push(chunk.toString());
      done();
    },
  });
  return { stream: Object.assign(stream, { isTTY: terminal, columns: 100 }), text: () => chunks.join('') };
}

/** A directory of these files for the tests of a suite; it is removed after them. */
export function directoryOf(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'segmentation-cli-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
