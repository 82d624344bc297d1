/** A process under measurement: its log, CPU time and memory, and pauses. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, residentMiB } from './figures.ts';

/** A directory for bundles and logs, removed with this process. */
export const directory = mkdtempSync(join(tmpdir(), 'bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

/** CPU time within QUIET_MS, in seconds, up to which a program counts as quiet: it may still serve its timers. */
const QUIET_CPU_SECONDS = 0.04;
const QUIET_MS = 2000;

let count = 0;

export class Program {
  readonly pid: number;
  /** When it was started, as of performance.now. */
  readonly started = performance.now();
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #log: string;

  /**
   * Starts the program. Its log, a JSON object on each line of standard error, goes to a file.
   *
   * @param env variables beside those of this process
   */
  constructor(
    name: string,
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.#name = name;
    this.#log = join(directory, `${count++}.log`);
    const file = openSync(this.#log, 'a');
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'inherit', file],
      env: { ...process.env, ...env },
    });
    closeSync(file);
    this.pid = this.#child.pid ?? 0;
    const kill = () => this.#child.kill('SIGKILL');
    process.once('exit', kill);
    this.#child.once('exit', () => process.off('exit', kill));
  }

  get cpuSeconds(): number {
    return cpuSeconds(this.pid);
  }

  get residentMiB(): { now: number; peak: number } {
    return residentMiB(this.pid);
  }

  /** Waits for a line of the log with this message. */
  async line(message: string): Promise<Readonly<Record<string, unknown>>> {
    for (;;) {
      const log = readFileSync(this.#log, 'utf8');
      const found = log.split('\n').find((text) => text.includes(`"msg":"${message}"`));
      if (found !== undefined) return JSON.parse(found) as Record<string, unknown>;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`the ${this.#name} ended:\n${log}`);
      await sleep(5);
    }
  }

  /** Waits until the program has had nothing to do for two seconds. @returns its CPU time before these, seconds */
  async quiet(): Promise<number> {
    for (;;) {
      const before = this.cpuSeconds;
      await sleep(QUIET_MS);
      if (this.cpuSeconds - before <= QUIET_CPU_SECONDS) return before;
    }
  }

  /** Stops the process (SIGSTOP) until `resume`. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }
}
