/** The audit of the lockfile, and of npm's report on vulnerabilities. */
import assert from 'node:assert/strict';
import { advisoryProblems } from '../../scripts/supply-chain/advisories.ts';
import type { LockedPackage } from '../../scripts/supply-chain/bundled.ts';
import { lockfileProblems } from '../../scripts/supply-chain/lockfile.ts';

const RULES = {
  licences: new Set(['MIT', 'Apache-2.0', 'Python-2.0']),
  installScripts: new Set(['@scope/builder']),
};
const GOOD: LockedPackage = { version: '1.2.3', license: 'MIT', integrity: `sha512-${'a'.repeat(86)}==` };

/** The violations of a lockfile with one package, `pkg`, that differs from a valid one. */
const problemsOf = (change: object, folder = 'node_modules/pkg') =>
  lockfileProblems({ lockfileVersion: 3, packages: { '': {}, [folder]: { ...GOOD, ...change } } }, {}, RULES);

describe('the audit of the lockfile', () => {
  const ACCEPTED: readonly (readonly [what: string, change: object, folder?: string])[] = [
    ['a package of the registry', {}],
    ['a prerelease', { version: '1.2.3-rc.1' }],
    ['an address at the registry', { resolved: 'https://registry.npmjs.org/pkg/-/pkg-1.2.3.tgz' }],
    ['a choice of licences of which one is allowed', { license: '(GPL-3.0-only OR MIT)' }],
    ['several licences that are all allowed', { license: 'MIT AND Python-2.0' }],
    ['an allowed install script', { hasInstallScript: true }, 'node_modules/a/node_modules/@scope/builder'],
  ];
  for (const [what, change, folder] of ACCEPTED) {
    it(`accepts ${what}`, () => assert.deepEqual(problemsOf(change, folder), []));
  }

  const REFUSED: readonly (readonly [what: string, change: object, says: RegExp])[] = [
    ['no digest', { integrity: undefined }, /^pkg has no SHA-512 digest$/],
    ['a weak digest', { integrity: 'sha1-abc=' }, /^pkg has no SHA-512 digest$/],
    [
      'another registry',
      { resolved: 'https://example.com/pkg.tgz' },
      /^pkg comes from https:\/\/example\.com/,
    ],
    ['a git repository', { version: 'git+ssh://git@github.com/a/b.git' }, /only the registry's are allowed/],
    ['a folder', { link: true }, /^pkg is a link to a folder/],
    ['another package under its name', { name: 'other' }, /^pkg is other under another name$/],
    ['a package within a package', { inBundle: true }, /^pkg is shipped inside another package/],
    ['no licence', { license: undefined }, /^pkg has the licence "none"/],
    [
      'a licence that is not allowed',
      { license: 'GPL-3.0-only' },
      /the licence "GPL-3\.0-only", which is not on the list/,
    ],
    ['licences that are not all allowed', { license: 'MIT AND GPL-3.0-only' }, /is not on the list/],
    ['an install script', { hasInstallScript: true }, /^pkg runs a script .* \(allowScripts\)/],
  ];
  for (const [what, change, says] of REFUSED) {
    it(`refuses ${what} with a single line`, () => {
      const problems = problemsOf(change);
      assert.match(problems[0] ?? '', says);
      assert.equal(problems.length, 1, problems.join('\n'));
    });
  }

  it('refuses a range of versions, and a lockfile that differs from package.json', () => {
    const lockfile = { lockfileVersion: 3, packages: { '': { dependencies: { a: '^1.0.0', b: '1.0.0' } } } };
    assert.deepEqual(
      lockfileProblems(lockfile, { dependencies: { a: '^1.0.0' }, devDependencies: { b: '1.0.1' } }, RULES),
      [
        'a is "^1.0.0" in package.json: write one exact version',
        'b differs between package.json and the lockfile: run npm install',
      ],
    );
  });

  it('refuses another version of the lockfile format', () => {
    assert.match(
      lockfileProblems({ lockfileVersion: 1, packages: {} }, {}, RULES).join(),
      /only 3 is understood/,
    );
  });
});

describe('the audit of known vulnerabilities', () => {
  const vulnerability = (name: string, via: unknown) => ({
    name,
    severity: 'high',
    nodes: [`node_modules/${name}`],
    via: [via],
  });
  const report = JSON.stringify({
    auditReportVersion: 2,
    vulnerabilities: {
      a: vulnerability('a', { title: 'Reads too far', url: 'https://example.com/1' }),
      b: vulnerability('b', 'a'),
    },
  });

  it('distinguishes shipped packages from tools', () => {
    const { answered, shipped, others } = advisoryProblems(report, (folder) => folder === 'node_modules/a');
    assert.deepEqual(
      [answered, shipped, others],
      [true, ['a: high: Reads too far (https://example.com/1)'], ['b: high: by a']],
    );
  });

  for (const [what, output] of [
    ['offline', '{"message": "request failed", "error": {"summary": "", "detail": ""}}'],
    ['without npm', ''],
    ['with an answer that is no JSON', 'npm error'],
  ] as const) {
    it(`reports ${what} that nothing was audited`, () => {
      assert.deepEqual(
        advisoryProblems(output, () => true),
        { answered: false, shipped: [], others: [] },
      );
    });
  }
});
