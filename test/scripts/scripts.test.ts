import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};

/** Each TypeScript file that npm scripts run, and the name of one of them. */
const ENTRIES = new Map(
  Object.entries(scripts).flatMap(([name, command]) => {
    const [, entry] = /with-node\.mjs (\S+\.ts)/.exec(command) ?? [];
    return entry === undefined ? [] : [[entry, name] as const];
  }),
);

const REFUSED: readonly (readonly [entry: string, args: readonly string[], message: RegExp])[] = [
  [
    'scripts/audit.ts',
    ['--offlin'],
    /^unknown flag --offlin \(did you mean "--offline"\?\)\nusage: npm run audit -- \[--offline\]\n$/,
  ],
  [
    'scripts/generate.ts',
    ['file'],
    /^unexpected argument file\nusage: npm run generate -- \[--check\] \[--kubernetes\]\n$/,
  ],
  ['scripts/generate.ts', ['--check=no'], /^--check takes no value\nusage: /],
  ['scripts/build.ts', ['--outfile'], /^--outfile needs a value: FILE\nusage: npm run build -- /],
  [
    'scripts/build.ts',
    ['--outfile', 'dist/operator'],
    /^--outfile must end in \.mjs, as the operator is an ES module: dist\/operator\nusage: /,
  ],
  [
    'scripts/build.ts',
    ['--plugin', 'dist/plugin.mjs'],
    /^--plugin must not end in \.mjs, as the plugin is a CommonJS module: dist\/plugin\.mjs\nusage: /,
  ],
  ['scripts/cluster.ts', ['up'], /^unexpected argument up\nusage: npm run cluster\n$/],
  ['scripts/release/record-release.ts', [], /^one version is needed, such as v0\.2\.0\nusage: /],
  ['scripts/suite/faults.ts', ['--seed', 'x'], /^--seed must be a whole number, not x\nusage: /],
];

function run(entry: string, args: readonly string[]) {
  const command = ['--disable-warning=ExperimentalWarning', join(root, entry), ...args];
  return spawnSync(process.execPath, command, { encoding: 'utf8', cwd: root });
}

describe('npm scripts', () => {
  for (const [entry, name] of ENTRIES) {
    it(`npm run ${name} answers --help and does nothing else`, () => {
      const { status, stdout, stderr } = run(entry, ['--help']);
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, /^Usage: /m);
    });
  }

  for (const [entry, args, message] of REFUSED) {
    it(`${[entry, ...args].join(' ')} is refused with how to use it`, () => {
      const { status, stdout, stderr } = run(entry, args);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, message);
    });
  }
});
