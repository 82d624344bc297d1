/**
 * Runs simulations on all cores, seed by seed: `npm run test:simulation -- --minutes N [--from S]`, or one of them again
 * with `--seed S`. Stops at the first broken invariant, and prints a schedule reduced to what breaks it. With
 * `--keep-going` it prints the seeds that fail and goes on.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { readArguments } from '../../scripts/entry.ts';
import { report, shrink } from './judge/report.ts';
import type { Mutant } from './mutants/mutant.ts';
import { MUTANTS } from './mutants/mutants.ts';
import type { Plan } from './schedule/actions.ts';
import { GENERATOR, planOf } from './schedule/plan.ts';
import { simulateAll } from './pool.ts';
import { simulate } from './simulation.ts';
import type { Outcome } from './worker.ts';
import { errorMessage } from '../../src/util/error-message.ts';

const { flags: values } = readArguments({
  command: 'npm run test:simulation',
  summary:
    'Runs the controller against a model of the API server, with faults and delays that a seed chooses.',
  flags: {
    minutes: { value: 'N', help: 'begin no further schedule after N minutes [1]' },
    schedules: { value: 'N', help: 'run N schedules' },
    from: { value: 'S', help: 'the first seed [a random one]' },
    jobs: { value: 'N', help: 'threads [one per processor]' },
    'keep-going': { help: 'name each seed that fails, and go on' },
    seed: { value: 'S', help: 'run one seed' },
    generator: { value: 'N', help: `the version of the generator [${GENERATOR}]` },
    mutant: { value: 'NAME', help: 'run under a deliberate fault of the operator, by a part of its name' },
    trace: { value: 'FILE', help: 'write the trace of a failure to FILE' },
  },
});

async function main(): Promise<number> {
  const generator = wholeNumber('generator', values.generator ?? String(GENERATOR));
  const mutant = values.mutant === undefined ? undefined : mutantNamed(values.mutant);
  if (values.seed === undefined) return runMany(generator, mutant);
  const seed = wholeNumber('seed', values.seed);
  if (mutant !== undefined) return runMany(generator, mutant, seed);
  return runOne(planOf(seed, generator));
}

async function runOne(plan: Plan): Promise<number> {
  const { seed } = plan;
  const { breach, counts } = await simulate(plan);
  if (breach !== undefined) return explain(plan, breach);
  console.log(`seed ${seed} keeps every invariant: ${totals(counts)}`);
  return 0;
}

/** @param only the single seed to run; undefined: as many as the flags ask for */
async function runMany(generator: number, mutant: Mutant | undefined, only?: number): Promise<number> {
  const first = only ?? wholeNumber('from', values.from ?? String(Math.floor(Math.random() * 2 ** 30)));
  const jobs = wholeNumber('jobs', values.jobs ?? String(availableParallelism()));
  if (jobs < 1) throw new Error(`--jobs is how many threads to use, such as 2, and not ${values.jobs}`);
  const wanted =
    values.schedules === undefined ? Number.POSITIVE_INFINITY : wholeNumber('schedules', values.schedules);
  const schedules = only === undefined ? wanted : 1;
  const minutes = Number(values.minutes ?? (Number.isFinite(schedules) ? Number.POSITIVE_INFINITY : 1));
  if (!(minutes > 0)) throw new Error(`--minutes is how long to run, such as 10, and not ${values.minutes}`);
  const started = performance.now();
  const end = started + minutes * 60_000;
  const keepsGoing = values['keep-going'];
  const failed: Outcome[] = [];
  const sums: Record<string, number> = {};
  let [begun, done] = [0, 0];
  const next = () => {
    const isOver = begun >= schedules || performance.now() >= end || (!keepsGoing && failed.length > 0);
    return isOver ? undefined : first + begun++;
  };
  await simulateAll(next, { jobs, generator, mutant: mutant?.name }, (outcome) => {
    done += 1;
    for (const [name, count] of Object.entries(outcome.counts)) sums[name] = (sums[name] ?? 0) + count;
    if (outcome.breach === undefined) return;
    failed.push(outcome);
    if (keepsGoing) console.error(`SEED ${outcome.seed}: ${outcome.breach}`);
  });
  const took = (performance.now() - started) / 60_000;
  const { user, system } = process.cpuUsage();
  console.log(
    `${done} schedules from seed ${first} in ${took.toFixed(1)} minutes: ${Math.round(done / took)} a minute with ` +
      `${jobs} threads, ${Math.round((done * 60e6) / (user + system))} per minute of one core; ${totals(sums)}`,
  );
  const [worst] = failed;
  if (worst === undefined) return 0;
  if (mutant !== undefined) console.error(`SEED ${worst.seed}, where ${mutant.name}: ${worst.breach}`);
  return keepsGoing || mutant !== undefined ? 1 : explain(planOf(worst.seed, generator), worst.breach ?? '');
}

/** Reduces the schedule of a seed that fails, and prints it. */
async function explain(plan: Plan, breach: string): Promise<number> {
  console.error(`SEED ${plan.seed}: ${breach}\nreducing the schedule ...`);
  const smallest = await shrink(plan);
  if (values.trace !== undefined) {
    const { trace } = await simulate(smallest, { isTraced: true });
    writeFileSync(values.trace, `${trace.join('\n')}\n`);
  }
  console.error(await report(smallest));
  return 1;
}

function totals(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${Math.round(count).toLocaleString('en-US')}`)
    .join(', ');
}

function mutantNamed(part: string): Mutant {
  const found = MUTANTS.filter(({ name }) => name.includes(part));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const names = MUTANTS.map(({ name }) => `\n  ${name}`).join('');
  throw new Error(`--mutant is a part of the name of one of these faults, and not ${part}:${names}`);
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error(`--${option} is a whole number, and not ${text}`);
  return number;
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    console.error(errorMessage(error));
    process.exitCode = 2;
  },
);
