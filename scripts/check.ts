/**
 * Checks everything that needs no run of the project: types, lint, format, generated files, workflows, unused code,
 * dependencies. Every check runs; for each that fails, its tool's output is printed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { readArguments } from './entry.ts';

readArguments({
  command: 'npm run check',
  summary: 'Checks types, lint, format, generated files, workflows, unused code and dependencies.',
  flags: {},
});
const root = join(import.meta.dirname, '..');
const bin = (name: string) => join(root, 'node_modules', '.bin', name);

const CHECKS: readonly (readonly [title: string, command: string, ...args: string[]])[] = [
  ['types', bin('tsc'), '-p', '.'],
  ['types of the page', bin('tsc'), '-p', 'src/cli/page'],
  ['lint', bin('oxlint'), '--type-aware', '--deny-warnings'],
  ['format', bin('biome'), 'format'],
  [
    'generated files',
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    'scripts/generate.ts',
    '--check',
  ],
  ['workflows', process.execPath, '--disable-warning=ExperimentalWarning', 'scripts/github/check.ts'],
  ['unused code', bin('knip'), '--no-progress'],
  [
    'dependencies',
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    'scripts/audit.ts',
    '--offline',
  ],
];

let failed = false;
for (const [title, command, ...args] of CHECKS) {
  const started = performance.now();
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${title} (${seconds} s)`);
  if (code === 0) continue;
  failed = true;
  console.log(`${stdout}${stderr}`.trimEnd());
}
process.exit(failed ? 1 : 0);
