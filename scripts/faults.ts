// Runs the fault suite with one seed after another, each against a control plane of its own, until the time is over or
// one fails. `--seed S` alone repeats one run.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage } from '../src/util/error-message.ts';

const USAGE = 'usage: npm run test:faults -- [--minutes N] [--seed S]';

function options(): { minutes: number; seed: number } {
  try {
    const { values } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } });
    const minutes = Number(values.minutes ?? 0);
    const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
    if (!(minutes >= 0)) throw new Error(`--minutes must be a number, not ${values.minutes}`);
    if (!Number.isSafeInteger(seed)) throw new Error(`--seed must be a whole number, not ${values.seed}`);
    return { minutes, seed };
  } catch (error) {
    console.error(`${errorMessage(error)}\n${USAGE}`);
    process.exit(2);
  }
}

const { minutes, seed: first } = options();
const end = performance.now() + minutes * 60_000;
let seed = first;
do {
  console.log(`seed ${seed}`);
  const child = spawn(process.execPath, [join(import.meta.dirname, 'test.ts'), 'test/faults'], {
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
