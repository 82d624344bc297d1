/** Generates YAML texts that real files and hostile users hold: odd scalars, styles, anchors, documents, line ends. */
import fc from 'fast-check';

/** Plain scalars whose type depends on the version of YAML, or on the library that reads them. */
export const ODD_SCALARS: readonly string[] = [
  '',
  '~',
  'null',
  'Null',
  'NULL',
  'nUll',
  'y',
  'Y',
  'n',
  'N',
  'yes',
  'Yes',
  'YES',
  'yEs',
  'no',
  'No',
  'NO',
  'on',
  'On',
  'ON',
  'off',
  'Off',
  'OFF',
  'true',
  'True',
  'TRUE',
  'tRue',
  'false',
  'False',
  'FALSE',
  't',
  'f',
  '0',
  '-0',
  '+0',
  '1',
  '-1',
  '+1',
  '80',
  '0443',
  '0o443',
  '0O17',
  '00',
  '08',
  '09',
  '0808',
  '-010',
  '+010',
  '0x1F',
  '0X1f',
  '-0x1F',
  '0xg',
  '0b101',
  '-0b101',
  '0B11',
  '0b2',
  '0b',
  '0x',
  '4_43',
  '_1',
  '1_',
  '1__0',
  '-_1',
  '0x_1f',
  '0_7',
  '1e3',
  '1E3',
  '1e+3',
  '1e-3',
  '.5',
  '5.',
  '0.5',
  '-.5',
  '+.5',
  '.5e3',
  '1.5e3',
  '1e',
  '.e3',
  '.',
  '-',
  '+',
  '--',
  '1.',
  '1.0',
  '80.0',
  '1e999',
  '-1e999',
  '1e-999',
  '.5e999',
  '.inf',
  '.Inf',
  '.INF',
  '+.inf',
  '-.inf',
  '.nan',
  '.NaN',
  '.NAN',
  '.nAn',
  'inf',
  'nan',
  'Infinity',
  '1:30',
  '1:30:00',
  '190:20:30.15',
  '2026-01-01',
  '2026-1-1',
  '2026-13-01',
  '2026-02-30',
  '2026-01-01T10:00:00Z',
  '2026-01-01t10:00:00Z',
  '2026-01-01 10:00:00',
  '2026-01-01T10:00:00+02:00',
  '2026-01-01 10:00:00 +2',
  '2026-01-01T10:00:00',
  '2026-01',
  '9007199254740993',
  '9223372036854775807',
  '9223372036854775808',
  '18446744073709551615',
  '18446744073709551616',
  '-9223372036854775808',
  '-9223372036854775809',
  '99999999999999999999999',
  '1.7976931348623157e308',
  '4.9e-324',
  '<<',
  '=',
  '!',
  '*',
  '&',
  '%',
  '@',
  '`',
  '10.0.0.0/8',
  '::1',
  'fd00::/64',
  '1.2.3',
  '1.2.3.4',
  '1,000',
  '$1',
  '#',
  'a#b',
  'a #b',
  'a: b',
  'a:b',
  ':',
  ':a',
  'a:',
  '-a',
  '- a',
  '?',
  '?a',
  '? a',
  '[',
  ']',
  '{',
  '}',
  '{}',
  '[]',
  '{{ .Values.x }}',
  '{{x}}',
  '"',
  "'",
  "it's",
  '"a"b',
  "'a'b",
  '|',
  '>',
  '|-',
  '\\',
  'é',
  '日本',
  '😀',
  '\u00a0',
  '\u2028',
  '\u0085',
  '\ufeff',
  '\t',
  'a\tb',
  '---',
  '...',
  '--- a',
];

const word = fc.constantFrom(
  'a',
  'b',
  'app',
  'web',
  'x-y',
  'kubernetes.io/metadata.name',
  'Zoë',
  '1',
  'on',
  'null',
  '0443',
);

const scalarText = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...ODD_SCALARS) },
  { weight: 2, arbitrary: word },
  { weight: 1, arbitrary: fc.stringMatching(/^[-+._0-9xobeE:TZ ]{1,8}$/) },
  { weight: 1, arbitrary: fc.string({ maxLength: 6 }) },
);

const TAGS = [
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  '!!str ',
  '!!int ',
  '!!float ',
  '!!bool ',
  '!!null ',
  '!!timestamp ',
  '! ',
  '!local ',
];

type Style = 'plain' | 'single' | 'double' | 'literal' | 'folded';

interface Scalar {
  readonly text: string;
  readonly style: Style;
  readonly tag: string;
}
type Tree =
  | ({ readonly kind: 'scalar' } & Properties & Scalar)
  | { readonly kind: 'alias'; readonly name: string }
  | ({
      readonly kind: 'map';
      readonly flow: boolean;
      readonly entries: readonly (readonly [Key, Tree])[];
    } & Properties)
  | ({ readonly kind: 'list'; readonly flow: boolean; readonly items: readonly Tree[] } & Properties);
interface Properties {
  readonly anchor?: string | undefined;
}
type Key = Scalar | '<<';

const scalar: fc.Arbitrary<Scalar> = fc.record({
  text: scalarText,
  style: fc.constantFrom<Style>('plain', 'plain', 'plain', 'plain', 'single', 'double', 'literal', 'folded'),
  tag: fc.constantFrom(...TAGS),
});
const anchor = fc.option(fc.constantFrom('A', 'B'), { freq: 5, nil: undefined });
const key: fc.Arbitrary<Key> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ text: word, style: fc.constant<Style>('plain'), tag: fc.constant('') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      text: scalarText,
      style: fc.constantFrom<Style>('plain', 'single', 'double'),
      tag: fc.constantFrom(...TAGS),
    }),
  },
  { weight: 1, arbitrary: fc.constant('<<' as const) },
);

const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('scalar' as const),
        anchor,
        text: scalarText,
        style: scalar.map(({ style }) => style),
        tag: fc.constantFrom(...TAGS),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('alias' as const), name: fc.constantFrom('A', 'B') }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('map' as const),
        anchor,
        flow: fc.boolean(),
        entries: fc.array(fc.tuple(key, tie('tree')), { maxLength: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('list' as const),
        anchor,
        flow: fc.boolean(),
        items: fc.array(tie('tree'), { maxLength: 4 }),
      }),
    },
  ),
})).tree;

function scalarSource({ text, style, tag }: Scalar, indent: string, flow: boolean): string {
  switch (flow && (style === 'literal' || style === 'folded') ? 'double' : style) {
    case 'single':
      return `${tag}'${text.replaceAll("'", "''").replaceAll('\n', `\n\n${indent} `)}'`;
    case 'double':
      return `${tag}${JSON.stringify(text)}`;
    case 'literal':
    case 'folded':
      return `${tag}${style === 'literal' ? '|' : '>-'}\n${text
        .split('\n')
        .map((line) => `${indent}  ${line}`)
        .join('\n')}`;
    default:
      return `${tag}${text}`;
  }
}

function source(node: Tree, indent: string, flow: boolean): string {
  if (node.kind === 'alias') return `*${node.name}`;
  const own = node.anchor === undefined ? '' : `&${node.anchor} `;
  if (node.kind === 'scalar') return own + scalarSource(node, indent, flow);
  const inFlow = flow || node.flow;
  const keyText = (each: Key) => (each === '<<' ? '<<' : scalarSource(each, indent, true));
  if (inFlow) {
    return node.kind === 'list'
      ? `${own}[${node.items.map((item) => source(item, indent, true)).join(', ')}]`
      : `${own}{${node.entries.map(([name, value]) => `${keyText(name)}: ${source(value, indent, true)}`).join(', ')}}`;
  }
  if (node.kind === 'list') {
    if (node.items.length === 0) return `${own}[]`;
    return `${own}${node.items.map((item) => `\n${indent}- ${source(item, `${indent}  `, false)}`).join('')}`;
  }
  if (node.entries.length === 0) return `${own}{}`;
  return `${own}${node.entries.map(([name, value]) => `\n${indent}${keyText(name)}: ${source(value, `${indent}  `, false)}`).join('')}`;
}

const documentText = tree.map((node) => {
  // A document that is only a block of text is refused: no manifest is one.
  const isBlock = node.kind === 'scalar' && (node.style === 'literal' || node.style === 'folded');
  return source(isBlock ? { ...node, style: 'double' } : node, '', false).replace(/^\n/, '');
});

/** Streams of YAML and JSON documents, most of them valid. */
export const yamlStreams: fc.Arbitrary<string> = fc
  .record({
    documents: fc.array(
      fc.oneof({ weight: 5, arbitrary: documentText }, { weight: 1, arbitrary: fc.json({ maxDepth: 2 }) }),
      { minLength: 1, maxLength: 3 },
    ),
    separator: fc.constantFrom(
      '---',
      '---',
      '---',
      '--- ',
      '--- # comment',
      '---\t',
      '---#',
      '...\n---',
      '---\n---',
      '# a comment\n---',
    ),
    start: fc.constantFrom('', '', '', '---\n', '# comment\n', '\n', '\ufeff', '%YAML 1.1\n---\n', '  \n'),
    end: fc.constantFrom('\n', '\n', '', '\n---\n', '\n...\n', '\n...\nrest: 1\n', '\n\n# end'),
    lineEnd: fc.constantFrom('\n', '\n', '\n', '\r\n'),
  })
  .map(({ documents, separator, start, end, lineEnd }) =>
    `${start}${documents.join(`\n${separator}\n`)}${end}`.replaceAll('\n', lineEnd),
  );

/** These texts, each with a few characters changed: mostly invalid, in the ways that typing errors are. */
export const brokenStreams: fc.Arbitrary<string> = fc
  .tuple(
    yamlStreams,
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.constantFrom(
          '',
          ' ',
          '\n',
          '\t',
          ':',
          ': ',
          '-',
          '- ',
          '#',
          ' #',
          ',',
          '[',
          ']',
          '{',
          '}',
          '"',
          "'",
          '&A ',
          '*A',
          '!',
          '|',
          '>',
          '?',
          '%',
          '@',
        ),
      ),
      { minLength: 1, maxLength: 2 },
    ),
  )
  .map(([text, edits]) => {
    let result = text;
    for (const [at, insert] of edits) {
      const position = at % (result.length + 1);
      result = result.slice(0, position) + insert + result.slice(position + (insert === '' ? 1 : 0));
    }
    return result;
  });
