import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { answerTo, parseAnswer, question } from '../../../src/canary/model/exchange.ts';
import { runs } from '../../policy/fixture.ts';

const NONCE = '0b3c5c6e-7b1e-4c1f-9a51-6d6f7d1d7a10';

describe('exchange of a probe with a target', () => {
  it('carries the identity of the target and the source address that it saw', () => {
    const answer = answerTo(question(NONCE), { identity: 'uid-1', seenAs: '::ffff:10.0.0.1' });
    assert.deepEqual(parseAnswer(answer ?? '', NONCE), { identity: 'uid-1', seenAs: '10.0.0.1' });
    const outside = answerTo(question(NONCE), { identity: '', seenAs: 'fe80::1%eth0' });
    assert.deepEqual(parseAnswer(outside ?? '', NONCE), { identity: '', seenAs: 'fe80::1' });
  });

  it('takes no answer to another nonce', () => {
    const answer = answerTo(question(NONCE), { identity: 'uid-1', seenAs: '10.0.0.1' }) ?? '';
    assert.equal(parseAnswer(answer, 'another'), undefined);
  });

  it('never answers with more bytes than it was asked with', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 400 }), fc.uuid(), (text, uid) => {
        for (const asked of [text, `segmentation-canary/1 ${text}`, question(NONCE).slice(0, text.length)]) {
          const answer = answerTo(asked, { identity: uid, seenAs: '2001:db8:1234:5678:9abc:def0:1234:5678' });
          assert.ok(answer === undefined || answer.length <= asked.length);
        }
      }),
      { numRuns: runs(300) },
    );
  });
});
