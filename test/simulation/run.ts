/**
 * Runs simulations, one seed after the other: `npm run test:simulation -- --minutes N [--from S]`, or one of them again
 * with `--seed S`. Ends at the first fault, with a schedule that was made small. Nothing but the processor is used.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { report, shrink } from './failure.ts';
import { planOf } from './plan.ts';
import { simulate } from './simulation.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    from: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'string' },
  },
});

async function main(): Promise<number> {
  const only = values.seed === undefined ? undefined : wholeNumber('seed', values.seed);
  const first = only ?? wholeNumber('from', values.from ?? String(Math.floor(Math.random() * 2 ** 30)));
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new Error(`--minutes is how long to run, such as 10, and not ${values.minutes}`);
  const started = performance.now();
  const end = started + minutes * 60_000;
  const sums = new Map<string, number>();
  let schedules = 0;
  for (let seed = first; only === undefined ? performance.now() < end : seed === only; seed++) {
    const plan = planOf(seed);
    const { fault, counts } = await simulate(plan);
    schedules += 1;
    for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count);
    if (fault === undefined) continue;
    console.error(`SEED ${seed}: ${fault}\nmaking the schedule smaller ...`);
    const smallest = await shrink(plan);
    if (values.trace !== undefined) {
      const { trace } = await simulate(smallest, true);
      writeFileSync(values.trace, `${trace.join('\n')}\n`);
    }
    console.error(await report(seed, smallest));
    return 1;
  }
  const seconds = (performance.now() - started) / 1000;
  const cpu = process.cpuUsage();
  const rate = (schedules * 60) / ((cpu.user + cpu.system) / 1e6);
  console.log(
    `${schedules} schedules from seed ${first} in ${seconds.toFixed(1)} s (${rate.toFixed(0)} per minute of one core): ` +
      [...sums].map(([name, sum]) => `${name} ${Math.round(sum).toLocaleString('en-US')}`).join(', '),
  );
  return 0;
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
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  },
);
