/**
 * Audits the dependencies.
 *
 *   npm run audit                 the lockfile, and the registry's list of known vulnerabilities where it is reachable
 *   npm run audit -- --offline    the lockfile only
 *
 * Exits with 1 for a problem of the lockfile, or a vulnerability in what is shipped.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { flags } from './arguments.ts';
import { advisoryProblems } from './supply-chain/advisories.ts';
import { contents, OPERATOR, PLUGIN } from './build/programs.ts';
import { type Lockfile, packagesOf } from './supply-chain/bundled.ts';
import { lockfileProblems, type Manifest } from './supply-chain/lockfile.ts';

/** Licences that ask for no more than to be named. */
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
const values = flags({ offline: { type: 'boolean', default: false } });
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

if (!values.offline) {
  const { stdout } = spawnSync('npm', ['audit', '--json'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 2 ** 20,
    shell: process.platform === 'win32',
  });
  const { answered, shipped, others } = advisoryProblems(stdout, await shippedPackages());
  console.log(
    answered
      ? `registry: ${shipped.length} vulnerabilities in what is shipped, ${others.length} in tools`
      : 'registry: it does not tell of vulnerabilities here; not audited',
  );
  for (const each of others) console.log(`  (tool) ${each}`);
  problems.push(...shipped);
}
/** What a program can need, and what is in one: the plugin's page holds packages that are a tool's to the rest. */
async function shippedPackages(): Promise<(folder: string) => boolean> {
  const programs = [OPERATOR, PLUGIN].map(async (program) =>
    packagesOf(root, program, await contents(root, program)),
  );
  const held = new Set((await Promise.all(programs)).flat());
  return (folder) => held.has(folder) || lockfile.packages[folder]?.dev !== true;
}

for (const problem of problems) console.error(`  ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;
