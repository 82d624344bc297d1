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
}

interface Benchmark {
  run(options: BenchOptions): Promise<Figures>;
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
    },
    words: '[NAME ...]',
  });
  const namespaces = Number(values.namespaces ?? 1000);
  if (!Number.isInteger(namespaces) || namespaces < 1) {
    console.error(`--namespaces takes a whole number of at least 1, not ${values.namespaces}`);
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
    results[name] = await benchmark.run({ namespaces, chosen: values.namespaces !== undefined });
    if (!values.json) console.log(table(name, results[name]));
  }
  if (values.json) console.log(JSON.stringify(results));
  return 0;
}

function table(name: string, figures: Figures): string {
  const width = Math.max(...Object.keys(figures).map((key) => key.length));
  const rows = Object.entries(figures).map(
    ([key, figure]) =>
      `  ${key.padEnd(width)}  ${figure.toLocaleString('en-US', { maximumFractionDigits: 3 }).padStart(14)}`,
  );
  return [name, ...rows].join('\n');
}

process.exitCode = await main();
