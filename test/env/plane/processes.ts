// Child processes that can't outlive their parent, even if it is killed. A watchdog (`sh`, in its own session) reads a
// pipe from this process. When the pipe closes (exit, Ctrl-C, crash, SIGKILL), it kills every registered process group
// and removes the directory. POSIX systems only.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { basename, join } from 'node:path';

/** A line with a process id adds it. `= 1 2 3` replaces the whole set, so that a reused id is never killed. */
const WATCHDOG = `
  pids=
  while read -r line; do
    case $line in
      =*) pids=\${line#=} ;;
      *) pids="$pids $line" ;;
    esac
  done
  for pid in $pids; do kill -s KILL -- "-$pid"; done
  rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`;

/** The child registers itself before it runs the command, so that the watchdog never misses it. */
const REGISTER_THEN_RUN = 'echo $$ >&3; exec 3>&-; exec "$@"';

export interface StartOptions {
  /** File to which standard output and error are appended; without it they are dropped. */
  readonly log?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly workingDirectory?: string;
}

/** A set of processes with a working directory. Both are removed with this process. */
export class ProcessSet {
  readonly directory: string;
  readonly #watchdog: ChildProcess;
  readonly #pipe: Socket;
  readonly #running = new Set<ChildProcess>();

  /** Creates `directory`, which must not exist yet, and which only this user can read. */
  constructor(directory: string) {
    this.directory = directory;
    this.#watchdog = spawn('sh', ['-c', WATCHDOG, 'watchdog', directory], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#pipe = this.#watchdog.stdin as Socket;
    this.#pipe.on('error', () => {}); // a killed watchdog reads no more lines; stop() still works
    this.#watchdog.on('error', () => {});
    this.#watchdog.unref();
    this.#pipe.unref();
    mkdirSync(directory, { mode: 0o700 });
  }

  /** Starts a command as the leader of its own process group. An executable that cannot run exits with 126 or 127. */
  start(command: string, args: readonly string[], options: StartOptions = {}): ChildProcess {
    const output = options.log === undefined ? 'ignore' : openSync(options.log, 'a', 0o600);
    const stdio: StdioOptions = ['ignore', output, output, this.#pipe];
    try {
      const child = spawn('sh', ['-c', REGISTER_THEN_RUN, 'run', command, ...args], {
        stdio,
        detached: true,
        env: options.environment ?? process.env,
        cwd: options.workingDirectory ?? this.directory,
      });
      this.#running.add(child);
      child.on('error', () => this.#forget(child));
      child.on('exit', () => this.#forget(child));
      child.unref();
      return child;
    } finally {
      if (typeof output === 'number') closeSync(output);
    }
  }

  /** Runs a command to its end. Rejects with its output if it fails. */
  async run(
    command: string,
    args: readonly string[],
    options: Omit<StartOptions, 'log'> = {},
  ): Promise<void> {
    const log = join(this.directory, `${basename(command)}.log`);
    rmSync(log, { force: true });
    const child = this.start(command, args, { ...options, log });
    child.ref();
    const [code] = await once(child, 'exit');
    if (code === 0) return;
    throw new Error(`${command} ${args[0] ?? ''} failed:\n${readFileSync(log, 'utf8').trim()}`);
  }

  #forget(child: ChildProcess): void {
    this.#running.delete(child);
    this.#pipe.write(`=${[...this.#running].map(({ pid }) => pid).join(' ')}\n`);
  }

  /** Kills every process with its children, waits until they are gone and removes the directory. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((child) => endProcess(child, 'SIGKILL')));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
    if (this.#watchdog.exitCode !== null || this.#watchdog.signalCode !== null) return;
    this.#watchdog.ref();
    const gone = once(this.#watchdog, 'exit');
    this.#pipe.end();
    await gone;
  }
}

/** True until the process has exited. */
export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Sends a signal to the process and its children, and waits until the process is gone. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (!isRunning(child)) return;
  child.ref();
  const gone = once(child, 'exit');
  signalProcess(child, signal);
  await gone;
}

/** Sends a signal to the process and its children. No effect if they are gone. */
export function signalProcess(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || !isRunning(child)) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
