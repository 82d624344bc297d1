// Prometheus and promtool, built from their Go module, to verify the operator's metrics, rules and queries.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parse, stringify } from 'yaml';
import { goTool } from '../../env/tooling/go-tool.ts';
import { isRunning, ProcessSet } from '../../env/plane/processes.ts';
import { eventually } from '../cluster.ts';

const ROOT = join(import.meta.dirname, '../../..');
const START = 30_000; // ms until it is ready; about a second on an idle machine

const VERSION = '3.15.0';
const command = (name: string) => ({
  name,
  module: 'prometheus',
  package: `github.com/prometheus/prometheus/cmd/${name}`,
  title: `${name} ${VERSION}`,
  usualTime: 'prometheus and promtool take about 3 minutes on 2 cores',
  // Without service discovery, whose clients of two dozen clouds take long to build.
  tags: ['remove_all_sd'],
  variables: { 'github.com/prometheus/common/version.Version': VERSION },
});

/** Builds both commands if they are missing. */
export async function buildPrometheus(): Promise<void> {
  await goTool(command('prometheus'));
  await goTool(command('promtool'));
}

export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

interface RuleFile {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly (AlertingRule | RecordingRule)[];
  }[];
}

/** Reads the rules of config/prometheus. */
export function ruleFile(): RuleFile {
  const path = join(ROOT, 'config/prometheus/prometheus_rule.yaml');
  return (parse(readFileSync(path, 'utf8')) as { spec: RuleFile }).spec;
}

export const rules = () => ruleFile().groups.flatMap((group) => group.rules);
export const alerts = (): AlertingRule[] => rules().filter((rule) => 'alert' in rule);
export const recordings = (): RecordingRule[] => rules().filter((rule) => 'record' in rule);

/** Runs promtool to its end. */
export async function promtool(
  args: readonly string[],
  stdin = '',
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(await goTool(command('promtool')), args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(stdin);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, output: `${stdout}${stderr}`.trim() };
}

/** A series of an answer. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** May be NaN or Infinity. */
  readonly value: number;
}

interface Answer {
  readonly status: string;
  readonly data: unknown;
  readonly error?: string;
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

/** A running Prometheus. */
export class Prometheus {
  readonly #processes: ProcessSet;
  readonly #child: ChildProcess;
  readonly #log: string;
  #url: string | undefined;

  private constructor(processes: ProcessSet, child: ChildProcess, log: string) {
    this.#processes = processes;
    this.#child = child;
    this.#log = log;
  }

  /**
   * Starts Prometheus on a free port.
   *
   * @param ruleFiles rule files by the name that `configuration` gives them
   * @throws Error with its log if it does not become ready
   */
  static async start(
    configuration: object,
    ruleFiles: Readonly<Record<string, object>> = {},
  ): Promise<Prometheus> {
    const binary = await goTool(command('prometheus'));
    const processes = new ProcessSet(join(tmpdir(), `prometheus-${randomBytes(6).toString('hex')}`));
    const { directory } = processes;
    for (const [name, content] of Object.entries({ ...ruleFiles, 'prometheus.yaml': configuration })) {
      writeFileSync(join(directory, name), stringify(content));
    }
    const log = join(directory, 'log');
    const args = [
      `--config.file=${join(directory, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ];
    const server = new Prometheus(processes, processes.start(binary, args, { log }), log);
    try {
      await eventually(() => server.#ready(), START);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  async #ready(): Promise<void> {
    const log = this.log();
    if (!isRunning(this.#child)) throw new Error(`Prometheus has ended:\n${log}`);
    const address = /msg="Listening on" .*address=(\S+)/.exec(log)?.[1];
    if (address === undefined) throw new Error(`Prometheus does not listen:\n${log}`);
    this.#url = `http://${address}`;
    const { ok } = await fetch(`${this.#url}/-/ready`);
    if (!ok) throw new Error(`Prometheus is not ready:\n${log}`);
  }

  /** The address of its HTTP server. */
  get url(): string {
    if (this.#url === undefined) throw new Error('Prometheus is not ready');
    return this.#url;
  }

  log(): string {
    return readFileSync(this.#log, 'utf8');
  }

  /** Lines of its log above level INFO. */
  complaints(): string[] {
    return this.log()
      .split('\n')
      .filter((line) => line !== '' && !/ level=(INFO|DEBUG) /.test(line));
  }

  /** Returns the `data` of an answer of its HTTP API. @throws Error for an error, warnings or hints */
  async api(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const query = new URLSearchParams(parameters);
    const response = await fetch(`${this.#url}/api/v1/${path}?${query.toString()}`);
    const { status, data, error, warnings = [], infos = [] } = (await response.json()) as Answer;
    const remarks = [...(status === 'success' ? [] : [error ?? status]), ...warnings, ...infos];
    if (remarks.length > 0) throw new Error(`${path} ${query.toString()}: ${remarks.join('; ')}`);
    return data;
  }

  /** Evaluates an expression now. A scalar is a series without labels. */
  async query(expression: string): Promise<Series[]> {
    const { resultType, result } = (await this.api('query', { query: expression })) as
      | { resultType: 'vector'; result: { metric: Record<string, string>; value: [number, string] }[] }
      | { resultType: 'scalar'; result: [number, string] };
    if (resultType === 'scalar') return [{ metric: {}, value: number(result[1]) }];
    return result.map(({ metric, value: [, value] }) => ({ metric, value: number(value) }));
  }

  async stop(): Promise<void> {
    await this.#processes.stop();
  }
}

function number(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}
