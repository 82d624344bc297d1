/**
 * Runs the tests. `--unit` leaves out those that are slow or need a control plane; other arguments are mocha's: a path, --grep.
 * Without a path, files run side by side: most tests wait for a control plane more than they compute.
 */
import { availableParallelism, tmpdir } from 'node:os';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { locateBinaries } from '../test/env/index.ts';
import { durationTable } from './suite/durations.ts';
import { operatorForTests } from './suite/operator.ts';
import { NEED_CONTROL_PLANE, type Selection, testFiles } from './suite/files.ts';
import { errorMessage } from '../src/util/error-message.ts';

/** The last line of a run that ended before mocha could count, as mocha's reporter (test/support/mocha/reporter.ts) writes it. */
const WITHOUT_SUMMARY = '0 passed, 1 failed';
const root = join(import.meta.dirname, '..');
const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  console.log(
    [
      'Runs all tests, against a real control plane.',
      'Usage: npm test -- [--unit | --integration] [--durations] [FILE ...] [FLAG ...]',
      [
        '  --unit        only tests that are quick and need no control plane',
        '  --integration only tests of test/integration',
        '  --durations   prints the processor time and wall time of each file at the end',
        '  --grep TEXT   only tests whose title matches; this and other flags are those of mocha',
      ].join('\n'),
    ].join('\n\n'),
  );
  process.exit(0);
}
const selection: Selection = args.includes('--unit')
  ? 'unit'
  : args.includes('--integration')
    ? 'integration'
    : 'all';
const showsDurations = args.includes('--durations');
const forMocha = args.filter((arg) => !['--unit', '--integration', '--durations'].includes(arg));
const namesFiles = forMocha.some((arg, index) => !arg.startsWith('-') && forMocha[index - 1] !== '--grep');
// Files that share a process have no time of their own.
const runsParallel = !namesFiles || selection === 'unit' || showsDurations;
/**
 * Two more than there are processors, as a file of integration tests waits for half of its time; not many more, as each
 * process has a control plane of its own, of about half a gigabyte.
 */
const jobs = selection === 'unit' ? availableParallelism() : Math.min(4, availableParallelism() + 2);
const parallel = runsParallel ? ['--parallel', '--jobs', String(jobs)] : [];

const startsOperators =
  selection !== 'unit' &&
  (!namesFiles || forMocha.some((arg) => /(^|\/)test(\/(integration|faults)|\/?$)/.test(arg)));
let operator: string | undefined;
try {
  // Before mocha starts, as a build takes longer than the timeout of any test.
  if (selection !== 'unit') await locateBinaries();
  if (startsOperators) operator = await operatorForTests(root);
} catch (error) {
  console.error(errorMessage(error));
  console.log(WITHOUT_SUMMARY);
  process.exit(1);
}

const scratch = showsDurations ? mkdtempSync(join(tmpdir(), 'durations-')) : undefined;
const durations = scratch && join(scratch, 'files.jsonl');
const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
const files = namesFiles ? [] : testFiles(root, selection);
const ignored = selection === 'unit' ? NEED_CONTROL_PLANE.flatMap((glob) => ['--ignore', glob]) : [];
const mochaArguments = [...parallel, ...ignored, ...forMocha, ...files];
const child = spawn(process.execPath, [...process.execArgv, mocha, ...mochaArguments], {
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  env: {
    // Tests make many objects in the short life of a control plane. Collecting garbage when the heap has grown fivefold, not
    // twofold, saves a quarter of the API server's processor time, and costs some 100 MB of memory.
    CONTROL_PLANE_GOGC: '400',
    // Tests start the operator often, and compiling is half of its start.
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'),
    // An eighth of the generated cases, so that the unit tests are quick. All tests together, and CI, run all of them.
    ...(selection === 'unit' && { PROPERTY_RUNS: '0.125' }),
    ...(durations !== undefined && { TEST_DURATIONS: durations }),
    ...(operator !== undefined && { OPERATOR_PROGRAM: operator }),
    ...process.env,
  },
});
process.on('SIGINT', () => {}); // the terminal sends it to mocha too
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
let isSummarised = false;
child.once('message', () => (isSummarised = true));
const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
if (scratch !== undefined && durations !== undefined) {
  console.log(durationTable(durations));
  rmSync(scratch, { recursive: true });
}
if (code !== 0 && !isSummarised) {
  console.error(`mocha ended before the last test: ${signal ?? `exit code ${code}`}`);
  console.log(WITHOUT_SUMMARY);
}
process.exit(code ?? 130);
