// The operator as a child process under its own ServiceAccount and config/rbac, for tests of what it does to a cluster.
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
/** How the API server names the operator. */
export const OPERATOR_USER = `system:serviceaccount:${NAMESPACE}:${NAME}`;

const START = 60_000; // ms until it listens; about half a second on an idle machine

/** How a process ended; one of the two is null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One line of its log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const installed = new WeakMap<ControlPlane, Promise<string>>();

/**
 * Installs config/default, but for the Deployment, which nothing would run here, and resolves the path of a
 * kubeconfig of the operator's ServiceAccount. Done once for each control plane.
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

/** Takes away the Lease of a leader that was killed, as an earlier suite may have left it: it would have to run out. */
export async function vacateLease(plane: ControlPlane): Promise<void> {
  await plane.kubectlRun(['-n', NAMESPACE, 'delete', 'lease', NAME, '--ignore-not-found']);
}

/** The operators of one suite. Registers hooks that end them, and that print their logs where a test fails. */
export class Operators {
  #processes: ProcessSet | undefined;
  #started: Operator[] = [];
  /** Of `#started`, those that the test now running began with or started. */
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
   * Starts one; resolves at once. It listens on free ports.
   *
   * @param preload a module that its process loads first
   */
  launch(args: readonly string[], preload?: string): Operator {
    this.#processes ??= new ProcessSet(join(tmpdir(), `operators-${randomBytes(6).toString('hex')}`));
    const log = join(this.#processes.directory, `${this.#started.length}.log`);
    const addresses = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const child = this.#processes.start(
      process.execPath,
      [
        ...(preload === undefined ? [] : ['--import', preload]),
        join(ROOT, 'src/operator/main.ts'),
        '--log-format=json',
        ...addresses,
        ...args,
      ],
      { log, environment: { PATH, NODE_COMPILE_CACHE, HOME: this.#processes.directory } },
    );
    const operator = new Operator(child, log);
    this.#started.push(operator);
    this.#ofTest.push(operator);
    return operator;
  }

  /** Starts one and resolves once its caches are filled. */
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

  /** Kills whatever still runs. */
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

  /** From here on its log is told when a test fails. */
  mark(): void {
    this.#mark = this.log().length;
  }

  logSinceMark(): string {
    return this.log().slice(this.#mark);
  }

  /** Everything that it has printed so far, to stdout and stderr. */
  log(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** The lines of its log so far; what is no JSON is a line of level `text`. */
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

  /** Waits for a line. */
  line(msg: string | RegExp, ms = START): Promise<LogLine> {
    return eventually(() => {
      const found = this.lines().find((each) =>
        typeof msg === 'string' ? each.msg === msg : msg.test(each.msg),
      );
      if (found !== undefined) return found;
      throw new Error(
        `the operator ${this.running ? 'has not said' : 'ended without saying'} ${String(msg)}:\n${this.log()}`,
      );
    }, ms);
  }

  /** Waits until /readyz says that the caches are filled. */
  async ready(ms = START): Promise<void> {
    await eventually(async () => {
      const { status, text } = await this.get('health', '/readyz');
      if (status !== 200) throw new Error(`not ready: ${text}\n${this.log()}`);
    }, ms);
  }

  /** GET of one of its endpoints, which it names in its log. */
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

  /** The value of one series of its metrics, written as Prometheus does: `name{label="value"}`. */
  async metric(series: string): Promise<number | undefined> {
    const { text } = await this.get('metrics', '/metrics');
    const line = text.split('\n').find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }

  /** Asks it to end; resolves how it did. */
  stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<Exit> {
    signalProcess(this.#child, signal);
    return this.end();
  }

  /** Freezes it, or lets it go on. */
  pause(): void {
    signalProcess(this.#child, 'SIGSTOP');
  }

  resume(): void {
    signalProcess(this.#child, 'SIGCONT');
  }

  /** Moves its monotonic clock a minute on, without any timer; only where it was started with `late-clock.ts`. */
  async skipMinute(): Promise<void> {
    signalProcess(this.#child, 'SIGUSR2');
    await this.line('a minute was skipped');
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await endProcess(this.#child, 'SIGKILL');
  }

  /** Resolves how it ended, once it has. */
  end(): Promise<Exit> {
    this.#child.ref();
    return this.#exited;
  }
}
