/**
 * Audits the dependencies: the lockfile, and known vulnerabilities where the registry tells them. Exits with 1 for a
 * violation in the lockfile, or a vulnerability in a package that is shipped.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from './entry.ts';
import { advisoryProblems } from './supply-chain/advisories.ts';
import { contents, OPERATOR, PLUGIN } from './bundle/programs.ts';
import { type Lockfile, packagesOf } from './supply-chain/bundled.ts';
import { lockfileProblems, type Manifest } from './supply-chain/lockfile.ts';

/** Licences that require no more than attribution. */
const LICENCES = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'PSF-2.0',
  'Python-2.0',
  'Unlicense',
];

const root = join(import.meta.dirname, '..');
const { flags } = readArguments({
  command: 'npm run audit',
  summary:
    "Audits the lockfile, and the packages against the registry's list of vulnerabilities if it can be reached.",
  flags: { offline: { help: 'only the lockfile' } },
});
const read = (file: string): unknown => JSON.parse(readFileSync(join(root, file), 'utf8'));

const lockfile = read('package-lock.json') as Lockfile;
const manifest = read('package.json') as Manifest & {
  readonly allowScripts?: Readonly<Record<string, boolean>>;
};
const allowed = Object.entries(manifest.allowScripts ?? {}).filter(([, allow]) => allow);
const problems = lockfileProblems(lockfile, manifest, {
  licences: new Set(LICENCES),
  installScripts: new Set(allowed.map(([name]) => name)),
});
console.log(
  `package-lock.json: ${Object.keys(lockfile.packages).length - 1} packages, ${problems.length} problems`,
);

if (!flags.offline) {
  const { stdout } = spawnSync('npm', ['audit', '--json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    shell: process.platform === 'win32',
  });
  const { answered, shipped, others } = advisoryProblems(stdout, await shippedPackages());
  console.log(
    answered
      ? `registry: ${shipped.length} vulnerabilities in shipped packages, ${others.length} in tools`
      : 'registry: it lists no vulnerabilities here; not audited',
  );
  for (const each of others) console.log(`  (tool) ${each}`);
  problems.push(...shipped);
}

/** True for packages that a program needs or contains: the plugin's page contains packages that are only tools elsewhere. */
async function shippedPackages(): Promise<(folder: string) => boolean> {
  const programs = [OPERATOR, PLUGIN].map(async (program) =>
    packagesOf(root, program, await contents(root, program)),
  );
  const held = new Set((await Promise.all(programs)).flat());
  return (folder) => held.has(folder) || lockfile.packages[folder]?.dev !== true;
}

for (const problem of problems) console.error(`  ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;
