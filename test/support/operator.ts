// Runs the operator as a child process with its own ServiceAccount and config/rbac.
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlPlane } from '../env/index.ts';
import { endProcess, isRunning, ProcessSet, signalProcess } from '../env/plane/processes.ts';
import { eventually } from './cluster.ts';
import { crdEstablished } from '../env/plane/crd.ts';

const ROOT = join(import.meta.dirname, '../..');
const NAMESPACE = 'segmentation-system';
const NAME = 'segmentation-operator';
/** The bundle that `npm test` has made (scripts/suite/operator.ts), or the sources. */
export const OPERATOR_PROGRAM = process.env['OPERATOR_PROGRAM'] ?? join(ROOT, 'src/operator/main.ts');
/** The operator's user name at the API server. */
export const OPERATOR_USER = `system:serviceaccount:${NAMESPACE}:${NAME}`;

const START = 60_000; // ms until it listens; about half a second on an idle machine

/** The end of a process; one of the two is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A line of an operator's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const installed = new WeakMap<ControlPlane, Promise<string>>();

/**
 * Installs config/default without the Deployment, once for each control plane.
 *
 * @returns the path of a kubeconfig of the operator's ServiceAccount
 */
export function installOperator(plane: ControlPlane): Promise<string> {
  const known = installed.get(plane) ?? install(plane);
  installed.set(plane, known);
  return known;
}

async function install(plane: ControlPlane): Promise<string> {
  await plane.kubectlRun(['apply', '-k', join(ROOT, 'config/default')]);
  await plane.kubectlRun(['-n', NAMESPACE, 'delete', 'deployment', NAME]);
  await crdEstablished((args) => plane.kubectlRun(args));
  return plane.serviceAccountKubeconfig(NAMESPACE, NAME);
}

/** Deletes the Lease, which a leader that an earlier suite killed may hold until it expires. */
export async function vacateLease(plane: ControlPlane): Promise<void> {
  await plane.kubectlRun(['-n', NAMESPACE, 'delete', 'lease', NAME, '--ignore-not-found']);
}

/** The operators of a suite. Registers hooks that kill them, and that print their logs if a test fails. */
export class Operators {
  #processes: ProcessSet | undefined;
  #started: Operator[] = [];
  /** Operators that ran at the start of the current test, or that it started. */
  #ofTest: Operator[] = [];

  constructor() {
    const printLogs = () => this.printLogs();
    beforeEach(() => {
      this.#ofTest = this.#started.filter((each) => each.running);
      for (const each of this.#ofTest) each.mark();
    });
    afterEach(function () {
      if (this.currentTest?.state === 'failed') printLogs();
    });
    after(() => this.end());
  }

  /**
   * Starts an operator on free ports, without waiting for it.
   *
   * @param preload module that its process loads first
   * @param environment variables beside those that every operator gets
   */
  launch(
    args: readonly string[],
    preload?: string,
    environment: Readonly<Record<string, string>> = {},
  ): Operator {
    this.#processes ??= new ProcessSet(join(tmpdir(), `operators-${randomBytes(6).toString('hex')}`));
    const log = join(this.#processes.directory, `${this.#started.length}.log`);
    const addresses = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];
    const { PATH, NODE_COMPILE_CACHE, CLOCK_FACTOR } = process.env;
    const child = this.#processes.start(
      process.execPath,
      [
        ...(preload === undefined ? [] : ['--import', preload]),
        OPERATOR_PROGRAM,
        '--log-format=json',
        ...addresses,
        ...args,
      ],
      {
        log,
        environment: {
          PATH,
          NODE_COMPILE_CACHE,
          CLOCK_FACTOR,
          HOME: this.#processes.directory,
          ...environment,
        },
      },
    );
    const operator = new Operator(child, log);
    this.#started.push(operator);
    this.#ofTest.push(operator);
    return operator;
  }

  /** Starts an operator, and resolves when its caches are filled. */
  async start(kubeconfig: string, ...args: readonly string[]): Promise<Operator> {
    const operator = this.launch([`--kubeconfig=${kubeconfig}`, ...args]);
    await operator.ready();
    return operator;
  }

  printLogs(): void {
    for (const [index, operator] of this.#ofTest.entries()) {
      console.error(
        `--- log of operator ${index + 1} of ${this.#ofTest.length}\n${operator.logSinceMark()}---`,
      );
    }
  }

  /** Kills all running operators. */
  async end(): Promise<void> {
    await this.#processes?.stop();
    this.#processes = undefined;
  }
}

export class Operator {
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #exited: Promise<Exit>;
  #mark = 0;

  constructor(child: ChildProcess, log: string) {
    this.#child = child;
    this.#log = log;
    this.#exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  }

  get running(): boolean {
    return isRunning(this.#child);
  }

  /** Marks the start of the log that is printed if a test fails. */
  mark(): void {
    this.#mark = this.log().length;
  }

  logSinceMark(): string {
    return this.log().slice(this.#mark);
  }

  /** Its output so far, stdout and stderr. */
  log(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** The lines of its log so far. Lines that are not JSON have the level `text`. */
  lines(): LogLine[] {
    return this.log()
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        try {
          return JSON.parse(line) as LogLine;
        } catch {
          return { level: 'text', msg: line };
        }
      });
  }

  /** Waits for a line of the log. */
  line(msg: string | RegExp, ms = START): Promise<LogLine> {
    return eventually(() => {
      const found = this.lines().find((each) =>
        typeof msg === 'string' ? each.msg === msg : msg.test(each.msg),
      );
      if (found !== undefined) return found;
      throw new Error(
        `the operator ${this.running ? 'has not logged' : 'ended without logging'} ${String(msg)}:\n${this.log()}`,
      );
    }, ms);
  }

  /** Waits until /readyz reports that the caches are filled. */
  async ready(ms = START): Promise<void> {
    await eventually(async () => {
      const { status, text } = await this.get('health', '/readyz');
      if (status !== 200) throw new Error(`not ready: ${text}\n${this.log()}`);
    }, ms);
  }

  /** Sends a GET to one of its endpoints, whose address it logs. */
  async get(
    server: 'health' | 'metrics',
    path: string,
  ): Promise<{ status: number; type: string; text: string }> {
    const { [server]: url } = await this.line('listening');
    const response = await fetch(new URL(path, String(url)));
    return {
      status: response.status,
      type: response.headers.get('content-type') ?? '',
      text: await response.text(),
    };
  }

  /** The value of a series of its metrics, written as in Prometheus: `name{label="value"}`. */
  async metric(series: string): Promise<number | undefined> {
    const { text } = await this.get('metrics', '/metrics');
    const line = text.split('\n').find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }

  /** Sends a signal to end, and resolves with the end. */
  stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<Exit> {
    signalProcess(this.#child, signal);
    return this.end();
  }

  /** Stops the process (SIGSTOP) until `resume`. */
  pause(): void {
    signalProcess(this.#child, 'SIGSTOP');
  }

  resume(): void {
    signalProcess(this.#child, 'SIGCONT');
  }

  /** Moves its monotonic clock a minute on without firing timers. Needs the preload `late-clock.ts`. */
  async skipMinute(): Promise<void> {
    signalProcess(this.#child, 'SIGUSR2');
    await this.line('a minute was skipped');
  }

  /** Steps its wall clock by CLOCK_STEP_MS of its environment. Needs the preload `fast-clock.ts`. */
  async stepClock(): Promise<void> {
    signalProcess(this.#child, 'SIGUSR2');
    await this.line('the wall clock was stepped');
  }

  /** Kills the process with SIGKILL. */
  async kill(): Promise<void> {
    await endProcess(this.#child, 'SIGKILL');
  }

  /** Resolves when the process has ended. */
  end(): Promise<Exit> {
    this.#child.ref();
    return this.#exited;
  }
}
