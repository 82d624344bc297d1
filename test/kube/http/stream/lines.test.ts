// The framing of a watch: lines across chunks.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LineSplitter, LineTooLongError } from '../../../../src/kube/http/stream/lines.ts';

function split(chunks: readonly Buffer[], maxBytes = 1 << 20): { lines: string[]; pending: number } {
  const splitter = new LineSplitter(maxBytes);
  const lines = chunks.flatMap((chunk) => [...splitter.push(chunk)]);
  return { lines, pending: splitter.pending };
}

describe('LineSplitter', () => {
  it('yields the same lines wherever the bytes are split, even within a character', () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ' '));
    const cuts = fc.array(fc.nat(400));
    fc.assert(
      fc.property(fc.array(line), line, cuts, (lines, rest, cuts) => {
        const bytes = Buffer.from([...lines, rest].join('\n'));
        const at = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].sort((a, b) => a - b);
        const chunks = [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
        const result = split(chunks);
        assert.deepEqual(
          result.lines,
          lines.filter((line) => line !== ''),
        );
        assert.equal(result.pending, Buffer.byteLength(rest));
      }),
    );
  });

  it('accepts a line of 1 MB in chunks of 16 KB', () => {
    const bytes = Buffer.from(`${'x'.repeat(1 << 20)}\n`);
    const chunks = Array.from({ length: 65 }, (_, i) => bytes.subarray(i << 14, (i + 1) << 14));
    const { lines } = split(chunks, 1 << 21);
    assert.equal(lines[0]?.length, 1 << 20);
  });

  it('throws as soon as a line exceeds the limit, before its end', () => {
    assert.deepEqual(split([Buffer.from('1234567\n')], 7).lines, ['1234567']);
    assert.throws(() => split([Buffer.from('1234'), Buffer.from('5678')], 7), LineTooLongError);
    assert.throws(() => split([Buffer.from('12345678\n')], 7), LineTooLongError);
  });
});
