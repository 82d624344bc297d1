/** YAML as kubectl reads it: scalars, aliases, merge keys, lines, and the texts that are refused. */
import assert from 'node:assert/strict';
import { parseYaml, YamlError } from '../../src/manifests/yaml.ts';

describe('parseYaml', () => {
  const SCALARS: readonly [text: string, value: unknown][] = [
    ['on', true],
    ['Yes', true],
    ['y', true],
    ['off', false],
    ['N', false],
    ['yEs', 'yEs'],
    ['~', null],
    ['', null],
    ['0443', 291],
    ['0o17', 15],
    ['08', 8],
    ['-010', -8],
    ['0x1F', 31],
    ['0b101', 5],
    ['4_43', 443],
    ['_1', '_1'],
    ['1_', 1],
    ['80.0', 80],
    ['1e3', 1000],
    ['.5', 0.5],
    ['1e999', '1e999'],
    ['2026-01-01', '2026-01-01'],
    ['2026-01-01T10:00:00Z', '2026-01-01T10:00:00Z'],
    ['1:30', '1:30'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['::1/128', '::1/128'],
    ['"on"', 'on'],
    ["'0443'", '0443'],
    ['!!str 0443', '0443'],
    ['!!int "0443"', 291],
    ['!!float 3', 3],
    ['!!binary aGk=', 'hi'],
    ['!local on', 'on'],
    ['|\n  on', 'on\n'],
  ];
  for (const [text, value] of SCALARS) {
    it(`reads ${JSON.stringify(text)} as ${JSON.stringify(value)}`, () => {
      assert.deepEqual(parseYaml(`a: ${text}\n`).value, { a: value });
    });
  }

  const KEYS: readonly [text: string, key: string][] = [
    ['on', 'true'],
    ['0443', '291'],
    ['1.5', '1.5'],
    ['1e6', '1e+06'],
    ['0.1', '0.1'],
    ['"on"', 'on'],
    ['2026-01-01', '2026-01-01'],
  ];
  for (const [text, key] of KEYS) {
    it(`reads the key ${text} as ${JSON.stringify(key)}`, () => {
      assert.deepEqual(parseYaml(`${text}: 1\n`).value, { [key]: 1 });
    });
  }

  it('reads an alias as the last anchor of its name before it', () => {
    assert.deepEqual(parseYaml('- &a 1\n- *a\n- &a 2\n- *a\n').value, [1, 1, 2, 2]);
  });

  it('merges in the order of the keys, so that a later merge replaces an earlier key', () => {
    const text =
      'base: &b {x: 1, z: 1}\nfirst: {<<: *b, x: 2}\nlast: {x: 2, <<: *b}\nlist: {<<: [{x: 3}, *b]}\n';
    assert.deepEqual(parseYaml(text).value, {
      base: { x: 1, z: 1 },
      first: { x: 2, z: 1 },
      last: { x: 1, z: 1 },
      list: { x: 3, z: 1 },
    });
  });

  it('takes the last of two equal keys, and reports the key and its line', () => {
    const { value, duplicateKeys } = parseYaml('a: 1\nb: 2\na: 3\n');
    assert.deepEqual(
      { value, duplicateKeys },
      { value: { a: 3, b: 2 }, duplicateKeys: [{ key: 'a', line: 3 }] },
    );
  });

  it('keeps a key named __proto__ as a key of its own', () => {
    assert.deepEqual(Object.keys(parseYaml('__proto__: {a: 1}\n').value as object), ['__proto__']);
  });

  it('ignores what follows a document end marker', () => {
    assert.deepEqual(parseYaml('a: 1\n...\nb: [\n').value, { a: 1 });
  });

  it('finds the line of a path, also through aliases and missing values', () => {
    const { lineOf } = parseYaml('a: &x\n  - b: 1\n  - c:\nd: *x\n');
    assert.deepEqual(
      [['a', 0, 'b'], ['a', 1, 'c'], ['d', 1, 'c'], ['a', 7], ['none']].map(lineOf),
      [2, 3, 3, 2, 1],
    );
  });

  const REFUSED: readonly [what: string, text: string, line: number, message: RegExp][] = [
    ['an unknown anchor', 'a: 1\nb: *x\n', 2, /unknown anchor "x"/],
    ['an anchor that contains itself', 'a: &x\n  b: *x\n', 2, /contains itself/],
    ['a merge of a text', 'a: 1\n<<: b\n', 2, /a merge key \(<<\) takes a mapping/],
    ['a null key', 'a: 1\n~: 2\n', 2, /a key is null/],
    ['a list as a key', '? [a]\n: 1\n', 1, /a key is a mapping or a list/],
    ['infinity', 'a: .inf\n', 1, /have no JSON/],
    ['a text with a wrong tag', 'a: !!int x\n', 1, /"x" is no int/],
    ['a control character', 'a: 1\n# \u0007\n', 2, /U\+0007/],
    ['a tab as indentation', 'a:\n\tb: 1\n', 2, /tab/i],
    ['half a character as an escape', 'a: "\\ud83d\\ude00"\n', 1, /no surrogates/],
    ['a directive', '%YAML 1.1\n---\na: 1\n', 1, /directives/],
    ['an unquoted colon in brackets', 'a: [::1/128]\n', 1, /put the text ::1\/128 in quotes/],
    ['a colon without a space in brackets', 'a: [b:, c]\n', 1, /a colon is followed by no space/],
    ['one key as number and as text', 'a: {1: x, "1": y}\n', 1, /the key 1 appears twice/],
    ['a bracket that does not close', 'a: [1,\n', 2, /Flow sequence/],
    ['a million aliases', bomb(9), 1, /too many values come from aliases/],
    ['ten thousand levels', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, 1, /nested too deeply/],
  ];
  for (const [what, text, line, message] of REFUSED) {
    it(`refuses ${what}, and names the line`, () => {
      assert.throws(
        () => parseYaml(text),
        (error: unknown) => {
          assert.ok(error instanceof YamlError, String(error));
          assert.match(error.message, message);
          if (!/aliases/.test(error.message)) assert.equal(error.line, line);
          return true;
        },
      );
    });
  }
});

/** Ten to the power of `levels` values from a few hundred characters. */
function bomb(levels: number): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < levels; level++) {
    lines.push(`a${level}: &a${level} [${Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ')}]`);
  }
  return `${lines.join('\n')}\n`;
}
