/**
 * Runs the integration suite on control planes of several versions of Kubernetes, one after the other. Each is built or
 * downloaded once; test/env/tools has the Go module of each version.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from '../entry.ts';

const root = join(import.meta.dirname, '../..');
const supported = readdirSync(join(root, 'test/env/tools'))
  .flatMap((folder) => /^kubernetes-(1\.\d+)$/.exec(folder)?.[1] ?? [])
  .sort();

const { flags, words, refuse } = readArguments({
  command: 'npm run test:matrix',
  summary: `Runs the integration tests on versions of Kubernetes: ${supported.join(', ')}.`,
  flags: { grep: { value: 'TEXT', help: 'only tests whose title matches' } },
  words: 'VERSION ... [FILE ...]',
});
const versions = words.filter((word) => /^\d+\.\d+$/.test(word));
const files = words.filter((word) => !versions.includes(word));
const unknown = versions.filter((version) => !supported.includes(version));
if (unknown.length > 0)
  refuse(`no control plane of ${unknown.join(', ')}; there are ${supported.join(', ')}`);
if (versions.length === 0) refuse('name at least one version, such as 1.33');

const failed: string[] = [];
for (const version of versions) {
  console.log(`Kubernetes ${version}`);
  const args = files.length > 0 ? files : ['--integration'];
  const grep = flags.grep === undefined ? [] : ['--grep', flags.grep];
  const child = spawn(
    process.execPath,
    [...process.execArgv, join(root, 'scripts/test.ts'), ...args, ...grep],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, KUBERNETES_MINOR: version },
    },
  );
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => child.kill(signal));
  process.once('SIGINT', () => {}); // the terminal sends it to the tests too
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code === null) process.exit(130);
  if (code !== 0) failed.push(version);
}
console.log(
  failed.length === 0 ? `passed on ${versions.join(', ')}` : `FAILED on Kubernetes ${failed.join(', ')}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
