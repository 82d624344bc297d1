/** The pages describe every flag, reason, log line, permission and dependency, and none that does not exist. */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import browserTools from '../env/tools/browser/package.json' with { type: 'json' };
import sarifTools from '../env/tools/sarif/package.json' with { type: 'json' };
import packageJson from '../../package.json' with { type: 'json' };
import { KIND } from '../../src/api/names.ts';
import { AUDIT_EVENT_REASONS } from '../../src/audit-runner/events.ts';
import { EXCEPTION_EVENT_REASONS } from '../../src/observability/exception-events.ts';
import { EVENT_REASONS } from '../../src/observability/profile-events.ts';
import { readConfiguration } from '../../src/options/file.ts';
import { configurationText } from '../../src/options/print-config.ts';
import { environmentName, type Setting, SETTINGS } from '../../src/options/settings.ts';
import { parseOptions } from '../../src/options/parse.ts';
import { page, quoted, readRepositoryFile, rows, samples } from './pages.ts';

const root = join(import.meta.dirname, '../..');
const operations = page('docs/operations.md');
const troubleshooting = page('docs/troubleshooting.md');

/** The captures of `pattern` in the sources that `glob` matches, sorted. */
function captures(glob: string, pattern: RegExp): string[] {
  const files = globSync(glob, { cwd: root });
  assert.notEqual(files.length, 0, glob);
  return [
    ...new Set(
      files.flatMap((file) => [...readRepositoryFile(file).matchAll(pattern)].map(([, name = '']) => name)),
    ),
  ].sort();
}

function defaults() {
  const parsed = parseOptions({ argv: [], env: {}, readFile: () => '', version: '' });
  assert.equal(parsed.kind, 'options');
  return parsed.options;
}

/** The dotted paths of all keys. */
function keyPaths(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [prefix];
  return Object.entries(value).flatMap(([key, inner]) =>
    keyPaths(inner, prefix === '' ? key : `${prefix}.${key}`),
  );
}

describe('docs/operations.md', () => {
  it('has every flag with its variable and default, and no other', () => {
    const described = rows(operations)
      .filter(([flag = '']) => flag.startsWith('`--'))
      .map(([flag = '', variable = '', , fallback = '']) => [quoted(flag)[0], quoted(variable)[0], fallback]);
    const settings = Object.values(SETTINGS) as Setting<string | number | boolean | undefined>[];
    const actual = settings.map(({ flag, fallback, otherwise }) => [
      `--${flag}`,
      environmentName(flag),
      fallback === undefined ? (otherwise ?? 'none') : `\`${fallback}\``,
    ]);
    const comparable = (table: (string | undefined)[][]) =>
      table.map((row) => row.join(' ').replaceAll('`', '')).sort();
    assert.deepEqual(comparable(described), comparable(actual));
  });

  const sample = samples(operations).find(({ text }) => text.includes('kind: OperatorConfiguration'));

  it('has a configuration file that is accepted', () => {
    const violations: string[] = [];
    readConfiguration(sample?.text ?? '', 'operator.yaml', violations);
    assert.deepEqual(violations, []);
  });

  it('has a configuration file with every key', () => {
    const described = new Set(
      keyPaths(parse(sample?.text ?? '')).map((path) => path.split('.').slice(0, 2).join('.')),
    );
    const actual = keyPaths(parse(configurationText(defaults()))).map((path) =>
      path.split('.').slice(0, 2).join('.'),
    );
    assert.deepEqual(
      actual.filter((path) => !described.has(path)),
      [],
    );
  });

  it('has every permission of config/rbac and of the components with permissions, and no other', () => {
    interface Role {
      readonly kind: string;
      readonly rules?: readonly {
        readonly resources?: readonly string[];
        readonly verbs: readonly string[];
      }[];
    }
    const roles = globSync(
      'config/{rbac,admission,service-accounts,workloads,pod-security,rollout,exceptions,audit,engines/*}/*role.yaml',
      {
        cwd: root,
      },
    ).flatMap((file) =>
      parseAllDocuments(readRepositoryFile(file)).map((document) => document.toJS() as Role),
    );
    const actual = roles
      .flatMap(({ rules = [] }) => rules)
      .flatMap(({ resources = [], verbs }) =>
        resources.map((resource) => `${resource}: ${verbs.join(', ')}`),
      );
    const verbs = /^(get|list|watch|create|update|patch|delete)(, |$)/;
    const described = rows(operations)
      .filter(([, second = '']) => verbs.test(second))
      .flatMap(([resources = '', second = '']) =>
        quoted(resources).map((resource) => `${resource}: ${second}`),
      );
    assert.deepEqual(described.sort(), actual.sort());
  });
});

describe('docs/troubleshooting.md', () => {
  const names = new Set(quoted(troubleshooting.text));

  it('has every reason that a peer can have', () => {
    const source = readRepositoryFile('src/policy/peers/resolution.ts');
    const union = /export type UnresolvedReason =([^;]+);/.exec(source)?.[1] ?? '';
    const reasons = [...union.matchAll(/'(\w+)'/g)].map(([, reason = '']) => reason);
    assert.ok(reasons.length >= 8, union);
    assert.deepEqual(
      reasons.filter((reason) => !names.has(reason)),
      [],
    );
  });

  it('has every reason of the controller', () => {
    const reasons = [
      ...captures('src/controller/profile/conditions.ts', /\bis(?:True|False)\(\s*'(\w+)'/g),
      ...captures('src/controller/profile/conditions.ts', /\? '([A-Z]\w{5,})' : '[A-Z]\w+'/g),
      ...captures('src/controller/profile/conditions.ts', /\? '[A-Z]\w+' : '([A-Z]\w{5,})'/g),
      ...captures(
        'src/{controller,audit-runner}/**/*.ts',
        /\breason: (?:\w+ \? 'Deleting' : )?'([A-Z]\w+)'/g,
      ),
      ...captures('src/policy/**/*.ts', /extends Error \{\s+override (?:readonly )?name = '(\w+)'/g),
    ];
    for (const reason of ['Enforced', 'AdmissionNotReady', 'Deleting', 'Accepting', 'IsolationUnknown'])
      assert.ok(reasons.includes(reason), `${reason} is not among ${reasons.join()}`);
    assert.deepEqual(
      reasons.filter((reason) => !names.has(reason)),
      [],
    );
  });

  it('has every reason of an Event with its type, and no other', () => {
    const described = rows(troubleshooting)
      .filter(([, type = '']) => /^(Normal|Warning)$/.test(type))
      .map(([reason = '', type]) => `${quoted(reason)[0]} ${type}`);
    const actual = Object.entries({
      ...EVENT_REASONS,
      ...AUDIT_EVENT_REASONS,
      ...EXCEPTION_EVENT_REASONS,
    }).map(([reason, { type }]) => `${reason} ${type}`);
    assert.deepEqual(described.sort(), actual.sort());
  });

  it('has every warning and error of the log', () => {
    const lines = [
      ...captures(
        'src/{operator,observability,audit-runner}/*.ts',
        /(?:logger(?:\.(?:warn|error)|\[[^\]]+\])|warnOnce)\(\s*'([^']+)'/g,
      ),
      ...captures('src/observability/request-failure.ts', /\bmessage(?: =|:) ['`]([^'`]+)['`]/g).map((line) =>
        line.replace('${KIND}', KIND),
      ),
    ];
    assert.ok(lines.includes('reconcile failed, will try again') && lines.length >= 9, lines.join());
    assert.deepEqual(
      lines.filter((line) => !names.has(line)),
      [],
    );
  });
});

describe('docs/decisions/0001-dependencies.md', () => {
  it('has every dependency of package.json and of test/env/tools, and no other', () => {
    const described = rows(page('docs/decisions/0001-dependencies.md')).flatMap(([name = '']) =>
      quoted(name),
    );
    const { dependencies, devDependencies } = packageJson;
    const onDemand = { ...browserTools.dependencies, ...sarifTools.optionalDependencies };
    const installed = { ...dependencies, ...devDependencies, ...onDemand };
    assert.deepEqual(described.sort(), Object.keys(installed).sort());
  });
});
