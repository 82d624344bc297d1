/** The operator as a child process of the demonstration, and its log in words. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export class DemoOperator {
  readonly #child: ChildProcess;
  #onLine: (line: LogLine) => void = () => {};
  /** The URL of its metrics, once it listens. */
  readonly metrics: Promise<string>;

  constructor(kubeconfig: string) {
    const main = join(import.meta.dirname, '../../src/operator/main.ts');
    const flags = ['--kubeconfig', kubeconfig, '--log-format=json'];
    const addresses = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];
    // A process group of its own: Ctrl-C in the terminal must reach only the demonstration, which ends things in order.
    this.#child = spawn(process.execPath, [...process.execArgv, main, ...flags, ...addresses], {
      stdio: ['ignore', 'inherit', 'pipe'],
      detached: true,
    });
    process.once('exit', () => this.#child.kill('SIGKILL'));
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.metrics = promise;
    const { stderr } = this.#child;
    if (stderr === null) throw new Error('the operator has no standard error');
    createInterface({ input: stderr }).on('line', (text) => {
      const line = parse(text);
      if (line.msg === 'listening' && typeof line.metrics === 'string') resolve(line.metrics);
      this.#onLine(line);
    });
    this.#child.once('exit', (code) => reject(new Error(`the operator ended with code ${code}`)));
  }

  /** Calls `listener` with every further line. */
  follow(listener: (line: LogLine) => void): void {
    this.#onLine = listener;
  }

  /** Resolves when the process has ended, for any reason. */
  get ended(): Promise<unknown> {
    return this.#child.exitCode === null ? once(this.#child, 'exit') : Promise.resolve();
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGTERM');
    await this.ended;
  }
}

function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: 'info', msg: text };
  }
}

/** A log line in words for a spectator; undefined for lines that are not shown. */
export function narrate(line: LogLine): string | undefined {
  const { msg, level, namespace, policy, reason, changedBy, profile, message } = line as unknown as Record<
    string,
    string | undefined
  >;
  const time = new Date().toTimeString().slice(0, 8);
  if (msg?.startsWith('policy ')) {
    if (reason === 'transition') return undefined;
    const verb = msg.slice('policy '.length);
    const drift = reason?.startsWith('drift') ?? false;
    const who = changedBy ? ` (changed by ${changedBy})` : '';
    const what = drift
      ? verb === 'created'
        ? 'restored'
        : verb === 'updated'
          ? 'repaired'
          : 'removed'
      : verb;
    return `${time}  ${what.padEnd(9)} ${namespace}/${policy}${drift ? who : ''}`;
  }
  if (msg === 'profile ready' || msg === 'profile not ready' || msg === 'profile gone') {
    return `${time}  ${msg.slice('profile '.length).padEnd(9)} profile ${profile}${message ? `: ${message}` : ''}`;
  }
  return level === 'warn' || level === 'error'
    ? `${time}  ${level.padEnd(9)} ${msg}${line.error ? ` (${JSON.stringify(line.error)})` : ''}`
    : undefined;
}
