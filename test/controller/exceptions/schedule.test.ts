import assert from 'node:assert/strict';
import { nextMoment, noticeBy } from '../../../src/controller/exceptions/schedule.ts';
import type { Verdict } from '../../../src/policy/exceptions/judge.ts';
import { CREATED, exception, granting, HOUR } from '../../policy/exceptions/fixture.ts';

const MINUTE = HOUR / 60;
const END = CREATED + 4 * HOUR;

describe('notice of the end of an exception', () => {
  const CASES: readonly (readonly [title: string, now: number, grantedAt: number, expected: unknown])[] = [
    ['is not given earlier than an hour before', END - HOUR - 1, CREATED, undefined],
    ['is given an hour before', END - HOUR, CREATED, 'OneHour'],
    ['is given ten minutes before', END - 10 * MINUTE, CREATED, 'TenMinutes'],
    ['is given at the end', END, CREATED, 'Ended'],
    ['is only the last one that is due', END + HOUR, CREATED, 'Ended'],
    [
      'is not given an hour before to an exception that was shorter',
      END - 30 * MINUTE,
      END - 40 * MINUTE,
      undefined,
    ],
    ['is given ten minutes before to an exception of an hour', END - MINUTE, END - 40 * MINUTE, 'TenMinutes'],
  ];
  for (const [title, now, grantedAt, expected] of CASES)
    it(title, () => assert.equal(noticeBy(END, now, grantedAt), expected));
});

describe('next look at an exception', () => {
  const inForce: Verdict = { kind: 'in-force', profile: granting('p'), end: END };
  const next = (verdict: Verdict, now: number) => nextMoment(exception('e'), verdict, now);

  it('is at the next notice, and then at the end, to the millisecond', () => {
    assert.equal(next(inForce, CREATED), END - HOUR);
    assert.equal(next(inForce, END - HOUR), END - 10 * MINUTE);
    assert.equal(next(inForce, END - 10 * MINUTE), END);
  });

  it('is at the end that was asked for, if the exception is not in force', () => {
    assert.equal(next({ kind: 'refused', reason: 'TooMany', message: '' }, CREATED), END);
  });

  it('comes once more for an exception that has ended since the clock was read', () => {
    assert.equal(next({ kind: 'expired', end: END }, END - 1), END);
    assert.equal(next({ kind: 'expired', end: END }, END), undefined);
  });
});
