/** The images that `npm run build:install -- --image` accepts. */
import assert from 'node:assert/strict';
import { parseImage } from '../../scripts/install/image-reference.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;

describe('parseImage', () => {
  const READ: readonly (readonly [text: string, image: ReturnType<typeof parseImage>])[] = [
    ['operator:v1', { newName: 'operator', newTag: 'v1' }],
    ['example.com/a/operator:v1.2.3-rc.1', { newName: 'example.com/a/operator', newTag: 'v1.2.3-rc.1' }],
    ['localhost:5000/operator:v1', { newName: 'localhost:5000/operator', newTag: 'v1' }],
    [`localhost:5000/operator@${DIGEST}`, { newName: 'localhost:5000/operator', digest: DIGEST }],
    [`example.com/operator:v1@${DIGEST}`, { newName: 'example.com/operator', digest: DIGEST }],
  ];
  for (const [text, image] of READ) {
    it(`reads ${text}`, () => assert.deepEqual(parseImage(text), image));
  }

  for (const text of ['example.com/operator', 'localhost:5000/operator']) {
    it(`refuses ${text}, without tag and digest`, () => {
      assert.throws(
        () => parseImage(text),
        /has neither tag nor digest: the image could change without notice/,
      );
    });
  }

  for (const text of ['', 'Example/op:v1', 'a b:v1', 'operator:', 'operator@sha256:00', '-flag:v1 --x']) {
    it(`refuses "${text}"`, () => {
      assert.throws(() => parseImage(text), /is no image: write NAME:TAG or NAME@sha256:/);
    });
  }
});
