// The processes of this machine, and scripts in processes of their own, for tests of which process outlives which.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

interface ProcessEntry {
  readonly id: number;
  readonly commandLine: string;
}

/** Returns the command lines of running processes that contain `text`. */
export function processesWith(text: string): string[] {
  return entriesWith([text]).map(({ commandLine }) => commandLine);
}

/** Returns the ids of running processes whose command lines contain each of these texts. */
export function processIdsWith(...texts: readonly string[]): number[] {
  return entriesWith(texts).map(({ id }) => id);
}

function entriesWith(texts: readonly string[]): ProcessEntry[] {
  return entries().filter(({ commandLine }) => texts.every((text) => commandLine.includes(text)));
}

function entries(): ProcessEntry[] {
  if (process.platform !== 'linux') {
    const lines = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n');
    return lines.map((line) => {
      const [, id = '0', commandLine = ''] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
      return { id: Number(id), commandLine };
    });
  }
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)); // ps may be missing
  return ids.map((id) => {
    try {
      return {
        id: Number(id),
        commandLine: readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' '),
      };
    } catch {
      return { id: Number(id), commandLine: '' }; // the process has ended
    }
  });
}

/** A script in a process of its own. */
export interface Script {
  readonly process: ChildProcess;
  /** Resolves with its next line of stdout; rejects with its stderr if it ends before. */
  line(): Promise<string>;
}

/** Runs the source of an ES module. */
export function runScript(source: string, environment: NodeJS.ProcessEnv = process.env): Script {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const lines = readLines(child.stdout.setEncoding('utf8'));
  return {
    process: child,
    line: async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error(errors);
      return value;
    },
  };
}

async function* readLines(chunks: AsyncIterable<string>): AsyncGenerator<string, undefined> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  return undefined;
}

/** Waits until `condition` is true. Rejects with `what` after `timeout` milliseconds. */
export async function eventually(what: string, condition: () => unknown, timeout = 10_000): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`);
    await sleep(25);
  }
}
