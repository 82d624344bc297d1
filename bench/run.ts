/**
 * Runs benchmarks one after the other: `npm run bench [-- NAME ...]`, all of them without a name. Prints a table, or
 * with `--json` one JSON object of figures by name. `--namespaces N` sets the number of namespaces of the benchmarks on
 * a control plane (1,000 by default; 10,000 for `scale`). Each other file of this folder exports `run`, which returns
 * named figures.
 */
import { readdirSync } from 'node:fs';
import { readArguments } from '../scripts/entry.ts';
import type { Figures } from './support/figures.ts';

export interface BenchOptions {
  /** Namespaces that benchmarks on a control plane segment. */
  readonly namespaces: number;
  /** True if the number was given on the command line. */
  readonly chosen: boolean;
  /** Pairs of runs, of the operator and the peer each, in `enforce`. */
  readonly pairs: number;
}

interface Benchmark {
  run(options: BenchOptions): Promise<Figures>;
  /** Prints the figures in another form than one to a line. */
  table?(figures: Figures): string;
}

const available = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length))
  .sort();

async function main(): Promise<number> {
  const { flags: values, words: names } = readArguments({
    command: 'npm run bench',
    summary: `Runs benchmarks: ${available.join(', ')}; all of them without a name.`,
    flags: {
      json: { help: 'print figures as JSON' },
      namespaces: { value: 'N', help: 'how many namespaces to segment [1000; 10000 for scale]' },
      pairs: { value: 'N', help: 'how often enforce measures the operator and its peer [3]' },
    },
    words: '[NAME ...]',
  });
  const options: BenchOptions = {
    namespaces: Number(values.namespaces ?? 1000),
    chosen: values.namespaces !== undefined,
    pairs: Number(values.pairs ?? 3),
  };
  for (const flag of ['namespaces', 'pairs'] as const) {
    if (Number.isInteger(options[flag]) && options[flag] >= 1) continue;
    console.error(`--${flag} takes a whole number of at least 1, not ${values[flag]}`);
    return 2;
  }
  const unknown = names.filter((name) => !available.includes(name));
  if (unknown.length > 0) {
    console.error(`no benchmark ${unknown.join(', ')}; there are ${available.join(', ')}`);
    return 2;
  }
  const results: Record<string, Figures> = {};
  for (const name of names.length > 0 ? names : available) {
    const benchmark = (await import(`./${name}.ts`)) as Benchmark;
    const figures = await benchmark.run(options);
    results[name] = figures;
    if (!values.json) console.log(`${name}\n${benchmark.table?.(figures) ?? list(figures)}`);
  }
  if (values.json) console.log(JSON.stringify(results));
  return 0;
}

function list(figures: Figures): string {
  const width = Math.max(...Object.keys(figures).map((key) => key.length));
  const rows = Object.entries(figures).map(
    ([key, figure]) =>
      `  ${key.padEnd(width)}  ${figure.toLocaleString('en-US', { maximumFractionDigits: 3 }).padStart(14)}`,
  );
  return rows.join('\n');
}

process.exitCode = await main();
