/** Runs the operator as it is shipped: bundled, in a process of its own, with its own ServiceAccount. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { directory, Program } from './program.ts';

const ROOT = join(import.meta.dirname, '../..');

let bundle: Promise<string> | undefined;

async function buildBundle(): Promise<string> {
  const outfile = join(directory, 'operator.mjs');
  const args = [join(ROOT, 'scripts/build.ts'), '--outfile', outfile];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error('npm run build failed');
  return outfile;
}

/** Time between two samples of the event loop's delay, as prom-client's. */
const SAMPLING_MS = 10;

/** The arguments and environment variables that the image gives to node. */
function nodeSettings(): {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
} {
  const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
  const entry = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]';
  const variables = /^ENV (.*)$/m.exec(dockerfile)?.[1]?.split(' ') ?? [];
  return {
    args: (JSON.parse(entry) as string[]).slice(1, -1),
    env: Object.fromEntries(variables.map((each) => each.split('=') as [string, string])),
  };
}

/** Starts the operator, and resolves when its caches are filled. */
export async function startOperator(kubeconfig: string): Promise<Operator> {
  bundle ??= buildBundle();
  const main = await bundle;
  const addresses = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];
  const node = nodeSettings();
  const args = [...node.args, main, '--kubeconfig', kubeconfig, '--log-format=json', ...addresses];
  const operator = new Operator('operator', process.execPath, args, node.env);
  await operator.line('caches filled');
  return operator;
}

/** Figures of a start at which all policies are as they should be. */
export interface Restart {
  readonly cachesFilledSeconds: number;
  /** Until all namespaces were reconciled. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly writes: number;
  readonly residentMiB: { readonly now: number; readonly peak: number };
}

/** Starts the operator, waits until all namespaces are reconciled, and stops it. */
export async function measureRestart(kubeconfig: string): Promise<Restart> {
  const operator = await startOperator(kubeconfig);
  const cachesFilledSeconds = (performance.now() - operator.started) / 1000;
  await operator.line('all namespaces reconciled');
  const seconds = (performance.now() - operator.started) / 1000;
  const { cpuSeconds } = operator;
  const writes = (await operator.metrics())('segmentation_policy_writes_total');
  const { residentMiB } = operator;
  await operator.stop();
  return { cachesFilledSeconds, seconds, cpuSeconds, writes, residentMiB };
}

export class Operator extends Program {
  /** Reads the metrics. The result sums the series whose name and labels begin with `prefix`. */
  async metrics(): Promise<(prefix: string) => number> {
    const { metrics } = await this.line('listening');
    const text = await (await fetch(`${String(metrics)}/metrics`)).text();
    const lines = text.split('\n').filter((line) => !line.startsWith('#'));
    return (prefix) =>
      lines
        .filter((line) => line.startsWith(prefix))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /**
   * The delay of the event loop since the last call. Each sample of Node's histogram includes the time between two
   * samples, which is no delay.
   */
  async eventLoopDelayP99Ms(): Promise<number> {
    return (await this.metrics())('nodejs_eventloop_lag_p99_seconds') * 1000 - SAMPLING_MS;
  }
}
