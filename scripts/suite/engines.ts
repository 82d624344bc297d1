/**
 * Runs the judges of network engines and service meshes in full: more generated cases than `npm test` has, from any seed, and
 * the suites that `npm test` leaves out because their tools take long to build.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { readArguments } from '../entry.ts';

const FOLDER = 'test/oracle/engines';

const { flags, words, refuse } = readArguments({
  command: 'npm run test:engines',
  summary: `Runs the tests of ${FOLDER}, or the named ones, in full. Their tools are built once, from Go modules.`,
  flags: {
    times: { value: 'N', help: 'generate N times as many cases as `npm test` [10]' },
    seed: { value: 'S', help: 'the seed of generated cases [1]' },
  },
  words: 'FILE',
});
const times = Number(flags.times ?? 10);
const seed = Number(flags.seed ?? 1);
if (!(times > 0)) refuse(`--times must be a positive number, not ${flags.times}`);
if (!Number.isSafeInteger(seed)) refuse(`--seed must be a whole number, not ${flags.seed}`);

const files = words.length > 0 ? words : [`${FOLDER}/**/*.test.ts`];
const child = spawn(process.execPath, [join(import.meta.dirname, '../test.ts'), ...files], {
  stdio: 'inherit',
  env: { ...process.env, ENGINES_TIMES: String(times), ENGINES_SEED: String(seed) },
});
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => child.kill(signal));
process.once('SIGINT', () => {}); // the terminal sends it to the tests too
const [code] = (await once(child, 'exit')) as [number | null];
process.exit(code ?? 130);
