// Exponential backoff.
import assert from 'node:assert/strict';
import { Backoff } from '../../src/util/backoff.ts';

const LIMITS = { initialMs: 800, maxMs: 30_000 };

describe('Backoff', () => {
  it('doubles from the first delay to the longest', () => {
    const backoff = new Backoff(LIMITS, () => 0.5);
    const delays = Array.from({ length: 8 }, () => backoff.next());
    assert.deepEqual(delays, [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  });

  it('spreads each delay from half to one and a half', () => {
    assert.equal(new Backoff(LIMITS, () => 0).next(), 400);
    assert.ok(new Backoff(LIMITS, () => 0.999_999).next() > 1199);
  });

  it('begins anew after a reset', () => {
    const backoff = new Backoff(LIMITS, () => 0.5);
    backoff.next();
    backoff.next();
    backoff.reset();
    assert.equal(backoff.next(), 800);
  });

  it('stays at the longest delay after any number of failures', () => {
    const backoff = new Backoff(LIMITS, () => 0.5);
    for (let i = 0; i < 5000; i++) backoff.next();
    assert.equal(backoff.next(), 30_000);
  });
});
