/** Streams of documents as kubectl splits them, with the line of each. */
import assert from 'node:assert/strict';
import { decodeText, readDocuments } from '../../src/manifests/documents.ts';
import { YamlError } from '../../src/manifests/yaml.ts';

const read = (text: string) => readDocuments(text).map(({ value, line }) => [line, value]);

describe('readDocuments', () => {
  it('splits YAML at lines that begin with ---, and leaves out empty documents', () => {
    assert.deepEqual(read('# a\n---\na: 1\n--- # b\n---\n\nb: 2\n---\n~\n'), [
      [3, { a: 1 }],
      [7, { b: 2 }],
    ]);
  });

  it('splits YAML even within a block of text, as kubectl does', () => {
    assert.deepEqual(read('a: |\n  x\n---\nb: 1\n'), [
      [1, { a: 'x\n' }],
      [4, { b: 1 }],
    ]);
  });

  it('reads JSON objects one after the other', () => {
    assert.deepEqual(read('{"a": 1}\n{"b":\n 2} {"c": 3}'), [
      [1, { a: 1 }],
      [2, { b: 2 }],
      [3, { c: 3 }],
    ]);
  });

  it('goes on with YAML behind one JSON object', () => {
    assert.deepEqual(read('{"a": 1}\n---\nb: on\n'), [
      [1, { a: 1 }],
      [3, { b: true }],
    ]);
  });

  it('reads a flow mapping that is no JSON as YAML', () => {
    assert.deepEqual(read('{a: on}\n'), [[1, { a: true }]]);
  });

  it('reads lines that end in CR LF', () => {
    assert.deepEqual(read('a: 1\r\n---\r\nb: |\r\n  x\r\n  y\r\n'), [
      [1, { a: 1 }],
      [3, { b: 'x\ny\n' }],
    ]);
  });

  it('finds the line of a path in JSON and in YAML', () => {
    const [json, yaml] = readDocuments('{\n"a": {\n"b": 1}}\n---\na:\n  b: 1\n');
    assert.deepEqual([json?.lineOf(['a', 'b']), yaml?.lineOf(['a', 'b'])], [3, 6]);
    const [list] = readDocuments('{"x": "a,]}\\"",\n"a": [1,\n"b", {},\n{"c":\n[]}],\n"a\\n":\n{}}');
    assert.deepEqual(
      [['a'], ['a', 1], ['a', 3, 'c'], ['a', 9], ['a\n'], ['x', 0], []].map((path) => list?.lineOf(path)),
      [2, 3, 5, 2, 7, 1, 1],
    );
  });

  for (const [what, text, line] of [
    ['text behind a separator', 'a: 1\n--- b: 1\n', 2],
    ['broken JSON, with the line of the fault', '{"a": 1,\n"b" 2}\n', 2],
    ['YAML, with the line in the file', 'a: 1\n---\nb: 1\nc: [\n', 5],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => readDocuments(text),
        (error: unknown) => error instanceof YamlError && error.line === line,
      );
    });
  }
});

describe('decodeText', () => {
  it('obeys the byte order marks of UTF-8 and UTF-16', () => {
    const marks: readonly [Uint8Array, string][] = [
      [Buffer.from('\uFEFFa: é', 'utf8'), 'a: é'],
      [Buffer.from('\uFEFFa: é', 'utf16le'), 'a: é'],
      [Buffer.from('\uFEFFa: é', 'utf16le').swap16(), 'a: é'],
      [Buffer.from('a: é', 'utf8'), 'a: é'],
    ];
    for (const [bytes, text] of marks) assert.equal(decodeText(bytes), text);
  });
});
