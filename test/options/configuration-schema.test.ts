/** The JSON schema of the configuration file, compared with the parser by an independent validator. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { parse } from 'yaml';
import { configurationSchema } from '../../scripts/generators/configuration.ts';
import { readConfiguration } from '../../src/options/file.ts';
import type { JsonSchema } from '../../src/options/shape.ts';
import { isRecord } from '../../src/util/is-record.ts';
import { type Options, OptionsError } from '../../src/options/options.ts';
import { parseOptions } from '../../src/options/parse.ts';
import { page, samples } from '../docs/pages.ts';
import { runs } from '../policy/fixture.ts';

const path = join(import.meta.dirname, '../../config/operator-configuration.schema.json');
const schema = JSON.parse(readFileSync(path, 'utf8')) as JsonSchema;
const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictTypes: false, strictRequired: false });
const validate = ajv.compile(schema);

/** Restrictions of texts that a schema can't express. */
const BEYOND = /is not (a duration|a CIDR|an IP address|the URL of a server)/;

const accepted = (document: unknown) => validate(JSON.parse(JSON.stringify(document)));

function problemsOf(document: unknown): string[] {
  const problems: string[] = [];
  readConfiguration(JSON.stringify(document), 'c.yaml', problems);
  return problems;
}

function optionsOf(text: string): Options {
  const parsed = parseOptions({ argv: ['--config=c'], env: {}, readFile: () => text, version: '1' });
  return parsed.kind === 'options' ? parsed.options : assert.fail(parsed.kind);
}

function printed(text: string): string {
  const argv = ['--config=c', '--print-config'];
  const parsed = parseOptions({ argv, env: {}, readFile: () => text, version: '1' });
  return parsed.kind === 'print-config' ? parsed.text : assert.fail(parsed.kind);
}

const HEAD = { apiVersion: 'config.segmentation.dev/v1alpha1', kind: 'OperatorConfiguration' };
const TEXTS = [
  '',
  '0',
  ':8080',
  '127.0.0.1:1',
  '[::1]:65535',
  ':65536',
  ':00080',
  'x:1',
  '10.0.0.0/8',
  'fd00::/8',
  '::1',
  '10.0.0.1',
  '1.2.3.4/33',
  '1.2.3.4.5',
  '15s',
  '1h30m',
  '1.5m',
  '99h',
  '-1s',
  '5',
  'kube-system',
  'A',
  'a.b',
  '-a',
  'a-',
  'a'.repeat(63),
  'a'.repeat(64),
  'app',
  'example.com/app',
  '/app',
  'a/',
  'a/b/c',
  'A_b.c',
  'ä',
  'info',
  'json',
  'In',
  'Exists',
  'true',
  'v1',
  'https://a:9090',
  'http://a.b/c/',
  'http://a:99999',
  'http://a?b',
  ' x',
  'x\n',
];
const NUMBERS = [0, 1, 16, 250, 256, 257, 5000, 5001, -1, 1.5];
const junk = fc.constantFrom<unknown>(null, true, false, {}, [], [null], ...TEXTS, ...NUMBERS);

/** Values of the schema's form, valid and invalid. */
function documents(node: JsonSchema): fc.Arbitrary<unknown> {
  const { properties, additionalProperties, items, enum: allowed, type } = node;
  const types = [type].flat();
  const either = (fitting: fc.Arbitrary<unknown>, weight = 12) =>
    fc.oneof({ arbitrary: fitting, weight }, { arbitrary: junk, weight: 1 });
  if (Array.isArray(allowed)) return either(fc.constantFrom(...(allowed as unknown[])));
  if (isRecord(properties)) {
    const keys = Object.keys(properties);
    const some = fc.uniqueArray(fc.constantFrom(...keys, ...keys, ...keys, 'unknown'), { maxLength: 4 });
    return either(
      some.chain((chosen) =>
        fc.record(
          Object.fromEntries(
            chosen.map((key) => [key, key === 'unknown' ? junk : documents(properties[key] as JsonSchema)]),
          ),
        ),
      ),
    );
  }
  if (isRecord(additionalProperties)) {
    const inner = documents(additionalProperties);
    return either(
      fc.dictionary(fc.constantFrom('app', 'example.com/tier', 'a b', '/x'), inner, { maxKeys: 2 }),
    );
  }
  if (isRecord(items)) return either(fc.array(documents(items), { maxLength: 2 }));
  if (types.includes('boolean')) return either(fc.boolean());
  if (types.includes('integer')) return either(fc.constantFrom(...NUMBERS));
  const { pattern } = node;
  const fitting = TEXTS.filter((text) => typeof pattern !== 'string' || new RegExp(pattern).test(text));
  return either(
    fc.oneof(
      { arbitrary: fc.constantFrom(...fitting), weight: 8 },
      { arbitrary: fc.constantFrom(...TEXTS), weight: 1 },
      { arbitrary: fc.string({ maxLength: 8 }), weight: 1 },
    ),
  );
}

const configurations = fc.oneof(
  {
    arbitrary: documents(schema).map((document) =>
      isRecord(document) ? { ...document, ...HEAD } : document,
    ),
    weight: 20,
  },
  { arbitrary: documents(schema), weight: 1 },
);

describe('the JSON schema of the configuration file', () => {
  it('is generated from the parser (npm run generate)', () => {
    assert.equal(readFileSync(path, 'utf8'), configurationSchema());
  });

  it('accepts the file of docs/operations.md, and the output of --print-config', () => {
    const sample = samples(page('docs/operations.md')).find(({ text }) =>
      text.includes('kind: OperatorConfiguration'),
    );
    assert.ok(sample);
    for (const text of [sample.text, printed(sample.text), printed(JSON.stringify(HEAD))]) {
      assert.ok(accepted(parse(text)), ajv.errorsText(validate.errors));
    }
  });

  for (const [what, change] of [
    ['an unknown key', { metrics: { bindAdress: ':1' } }],
    ['another apiVersion', { apiVersion: 'v1' }],
    ['an apiVersion that is left empty', { apiVersion: null }],
    ['a number in quotes', { concurrency: '16' }],
    ['a workload without a namespaceSelector', { monitoring: [{ podSelector: {} }] }],
  ] as const) {
    it(`refuses ${what}, like the parser`, () => {
      assert.equal(accepted({ ...HEAD, ...change }), false);
      assert.notDeepEqual(problemsOf({ ...HEAD, ...change }), []);
    });
  }

  it('describes every key, with the default in effect', () => {
    const defaults = optionsOf(JSON.stringify(HEAD));
    const told = schema['properties'] as Record<string, JsonSchema>;
    assert.equal(told['concurrency']?.['default'], defaults.concurrency);
    assert.deepEqual(told['monitoring']?.['default'], defaults.cluster.monitoring);
    const bare = Object.entries(told).filter(
      ([key, { description, properties }]) =>
        !Object.hasOwn(HEAD, key) && description === undefined && properties === undefined,
    );
    assert.deepEqual(bare, []);
  });

  it('accepts and refuses the same files as the parser, but for the values of texts', () => {
    const seen = { accepted: 0, refused: 0, beyond: 0 };
    fc.assert(
      fc.property(configurations, (document) => {
        const problems = problemsOf(document);
        if (accepted(document)) {
          assert.deepEqual(
            problems.filter((problem) => !BEYOND.test(problem)),
            [],
          );
          seen[problems.length === 0 ? 'accepted' : 'beyond'] += 1;
        } else {
          assert.notDeepEqual(problems, [], ajv.errorsText(validate.errors));
          seen.refused += 1;
        }
      }),
      { numRuns: Math.max(500, runs(2000)) },
    );
    // The parser alone refuses the text of a file in eighty.
    assert.ok(seen.accepted > runs(200) && seen.refused > runs(200) && seen.beyond > 0, JSON.stringify(seen));
  });

  it('accepts the output of --print-config for any file, which gives the same options as that file', () => {
    let tried = 0;
    fc.assert(
      fc.property(configurations, (document) => {
        const text = JSON.stringify(document);
        let options: Options;
        try {
          options = optionsOf(text);
        } catch (error) {
          assert.ok(error instanceof OptionsError);
          return;
        }
        tried += 1;
        const again = printed(text);
        assert.ok(accepted(parse(again)), ajv.errorsText(validate.errors));
        const effective = { ...options, configurationFile: undefined };
        assert.deepEqual({ ...optionsOf(again), configurationFile: undefined }, effective);
        assert.equal(printed(again), again);
      }),
      { numRuns: runs(500) },
    );
    assert.ok(tried > runs(50), String(tried));
  });
});
