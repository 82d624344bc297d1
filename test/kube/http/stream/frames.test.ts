import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FrameSplitter, FrameTooLongError } from '../../../../src/kube/http/stream/frames.ts';
import { framed } from '../../../support/protobuf.ts';

function split(chunks: readonly Buffer[], maxBytes = 1000): { frames: string[]; pending: number } {
  const splitter = new FrameSplitter(maxBytes);
  const frames = chunks.flatMap((chunk) => [...splitter.push(chunk)].map((frame) => frame.toString()));
  return { frames, pending: splitter.pending };
}

describe('FrameSplitter', () => {
  it('yields the frames of a stream that is cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 })), fc.array(fc.nat(2000)), (texts, cuts) => {
        const bytes = Buffer.concat(texts.map((text) => framed(Buffer.from(text))));
        const at = [
          0,
          ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b),
          bytes.length,
        ];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        assert.deepEqual(split(chunks), { frames: texts, pending: 0 });
      }),
    );
  });

  it('reports the bytes of an unfinished frame', () => {
    const bytes = framed(Buffer.from('abc'));
    for (let length = 0; length < bytes.length; length++)
      assert.deepEqual(split([bytes.subarray(0, length)]), { frames: [], pending: length });
  });

  it('skips empty frames', () => {
    assert.deepEqual(split([framed(Buffer.alloc(0)), framed(Buffer.from('a'))]), {
      frames: ['a'],
      pending: 0,
    });
  });

  it('fails at the header of a frame that is too long, after the frames before it', () => {
    const splitter = new FrameSplitter(3);
    const frames: string[] = [];
    assert.throws(() => {
      const chunk = Buffer.concat([framed(Buffer.from('abc')), framed(Buffer.from('abcd')).subarray(0, 4)]);
      for (const frame of splitter.push(chunk)) frames.push(frame.toString());
    }, FrameTooLongError);
    assert.deepEqual(frames, ['abc']);
  });
});
