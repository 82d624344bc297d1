/** Runs the plugin in the process of the test, with streams that stand for a terminal or a pipe. */
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { run } from '../../src/cli/shell/run.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Stdout and stderr, interleaved in order of writing. */
  readonly output: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** True if stdout and stderr are a terminal. */
  readonly terminal?: boolean;
  /** Thrown when a command asks for the working directory. */
  readonly fault?: Error;
}

/** @param line arguments separated by spaces, or a list of arguments if any of them holds a space */
export async function cli(line: string | readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd = process.cwd(), stdin = '', env = {}, terminal = false, fault } = options;
  const output: string[] = [];
  const [stdout, stderr] = [sink(terminal, output), sink(terminal, output)];
  const argv = typeof line === 'string' ? line.split(' ').filter(Boolean) : line;
  const code = await run(argv, {
    env: { PATH: process.env['PATH'], ...env },
    get cwd() {
      if (fault !== undefined) throw fault;
      return cwd;
    },
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

/** Writes files into a temporary directory, which is removed after the suite. */
export function directoryOf(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'segmentation-cli-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
