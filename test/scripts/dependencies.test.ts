import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { areInstalled } from '../../scripts/dependencies.mjs';

interface Package {
  readonly version: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}
type Packages = Readonly<Record<string, Package>>;

const YAML = { version: '2.9.1', integrity: 'sha512-a' };
const LOCK: Packages = {
  '': { version: '0.1.0' },
  'node_modules/yaml': YAML,
  'node_modules/other-platform': { version: '1.0.0', integrity: 'sha512-b', optional: true },
};

const CASES: readonly (readonly [
  title: string,
  installed: Packages | string | undefined,
  expected: boolean,
])[] = [
  ['takes packages that npm ci installed as installed', { 'node_modules/yaml': YAML }, true],
  ['installs where there is no node_modules', undefined, false],
  ['installs again after an interrupted installation', '{"packages": {"node_mod', false],
  ['installs again where a package is missing', {}, false],
  ['installs again where a version differs', { 'node_modules/yaml': { ...YAML, version: '2.9.0' } }, false],
  [
    'installs again where a content differs',
    { 'node_modules/yaml': { ...YAML, integrity: 'sha512-c' } },
    false,
  ],
];

describe('the set-up of npm scripts', () => {
  for (const [title, installed, expected] of CASES) {
    it(title, () => {
      const root = mkdtempSync(join(tmpdir(), 'dependencies-'));
      try {
        writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: LOCK }));
        if (installed !== undefined) {
          mkdirSync(join(root, 'node_modules'));
          const text = typeof installed === 'string' ? installed : JSON.stringify({ packages: installed });
          writeFileSync(join(root, 'node_modules/.package-lock.json'), text);
        }
        assert.equal(areInstalled(root), expected);
      } finally {
        rmSync(root, { recursive: true });
      }
    });
  }
});
