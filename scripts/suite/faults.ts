/**
 * Runs the fault suite with one seed after another, each against a control plane of its own, until the time is over or a
 * run fails. `--seed S` alone repeats one run.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { readArguments } from '../entry.ts';

const { flags, refuse } = readArguments({
  command: 'npm run test:faults',
  summary: 'Runs the fault suite with one seed after another until the time is over or a run fails.',
  flags: {
    minutes: { value: 'N', help: 'begin no further run after N minutes [one run]' },
    seed: { value: 'S', help: 'the first seed [a random one]' },
  },
});
const minutes = Number(flags.minutes ?? 0);
const first = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!(minutes >= 0)) refuse(`--minutes must be a number, not ${flags.minutes}`);
if (!Number.isSafeInteger(first)) refuse(`--seed must be a whole number, not ${flags.seed}`);

const end = performance.now() + minutes * 60_000;
let seed = first;
do {
  console.log(`seed ${seed}`);
  const child = spawn(process.execPath, [join(import.meta.dirname, '../test.ts'), 'test/faults'], {
    stdio: 'inherit',
    env: { ...process.env, FAULTS_SEED: String(seed) },
  });
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => child.kill(signal));
  process.once('SIGINT', () => {}); // the terminal sends it to the tests too
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) {
    console.error(`failed with seed ${seed}; repeat with: npm run test:faults -- --seed ${seed}`);
    process.exit(code ?? 130);
  }
  seed += 1;
} while (performance.now() < end);
console.log(`${seed - first} ${seed - first === 1 ? 'run' : 'runs'} without a failure`);
