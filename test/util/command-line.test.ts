import assert from 'node:assert/strict';
import { type CommandLineError, type GivenFlag, readCommandLine } from '../../src/util/command-line.ts';

const FLAGS = [
  { name: 'output', short: 'o', takesValue: true },
  { name: 'help', short: 'h', takesValue: false },
];

type Case = readonly [what: string, argv: readonly string[], flags: readonly GivenFlag[]];

const READ: readonly Case[] = [
  ['a value behind the flag', ['--output', 'json'], [{ name: 'output', value: 'json' }]],
  ['a value behind an equals sign', ['--output=json'], [{ name: 'output', value: 'json' }]],
  ['a value joined to a short flag', ['-ojson'], [{ name: 'output', value: 'json' }]],
  ['a value joined to a short flag by an equals sign', ['-o=json'], [{ name: 'output', value: 'json' }]],
  ['a value that begins with an equals sign', ['--output==json'], [{ name: 'output', value: '=json' }]],
  ['standard input as a value', ['-o', '-'], [{ name: 'output', value: '-' }]],
  ['a value that begins with a dash behind an equals sign', ['-o=-x'], [{ name: 'output', value: '-x' }]],
  ['a flag without a value', ['-h'], [{ name: 'help', value: undefined }]],
  ['a value for a flag that takes none', ['--help=no'], [{ name: 'help', value: 'no' }]],
  [
    'a repeated flag',
    ['-o', 'a', '-o', 'b'],
    [
      { name: 'output', value: 'a' },
      { name: 'output', value: 'b' },
    ],
  ],
];

const REFUSED: readonly (readonly [what: string, argv: readonly string[], ...errors: CommandLineError[]])[] =
  [
    ['an unknown flag and its value', ['--frob', 'x'], { kind: 'unknown-flag', flag: '--frob' }],
    ['an unknown short flag', ['-x'], { kind: 'unknown-flag', flag: '-x' }],
    ['a flag at the end without its value', ['-o'], { kind: 'missing-value', name: 'output' }],
    ['a flag with an empty value', ['--output='], { kind: 'missing-value', name: 'output' }],
    ['a flag where a value should be', ['-o', '--help'], { kind: 'missing-value', name: 'output' }],
    ['a word where none is taken', ['a'], { kind: 'unexpected-argument', argument: 'a' }],
    [
      'every error, in order',
      ['a', '--frob', '-o'],
      { kind: 'unexpected-argument', argument: 'a' },
      { kind: 'unknown-flag', flag: '--frob' },
      { kind: 'missing-value', name: 'output' },
    ],
  ];

describe('readCommandLine', () => {
  for (const [what, argv, flags] of READ) {
    it(`reads ${what}`, () => {
      assert.deepEqual(readCommandLine(argv, { flags: FLAGS, takesWords: false }), {
        flags,
        words: [],
        errors: [],
      });
    });
  }

  for (const [what, argv, ...errors] of REFUSED) {
    it(`reports ${what}`, () => {
      assert.deepEqual(readCommandLine(argv, { flags: FLAGS, takesWords: false }).errors, errors);
    });
  }

  it('returns the words between the flags, and everything behind --', () => {
    const { words, flags } = readCommandLine(['a', '-h', 'b', '--', '--output'], {
      flags: FLAGS,
      takesWords: true,
    });
    assert.deepEqual(words, ['a', 'b', '--output']);
    assert.deepEqual(flags, [{ name: 'help', value: undefined }]);
  });
});
