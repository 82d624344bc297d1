import assert from 'node:assert/strict';
import { backoffMs } from '../../src/util/backoff.ts';

const LIMITS = { initialMs: 800, maxMs: 30_000 };

describe('backoffMs', () => {
  it('doubles with each failure up to the longest delay', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8].map((failures) => backoffMs(failures, LIMITS, () => 0));
    assert.deepEqual(delays, [400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000]);
  });

  it('spreads delays from half of the full one to all of it', () => {
    assert.equal(
      backoffMs(1, LIMITS, () => 0),
      400,
    );
    const longest = backoffMs(1, LIMITS, () => 0.999_999);
    assert.ok(longest > 799 && longest < 800);
  });

  it('stays finite after any number of failures', () => {
    assert.equal(
      backoffMs(5000, LIMITS, () => 0),
      15_000,
    );
    assert.equal(
      backoffMs(5000, { initialMs: 1, maxMs: Infinity }, () => 0),
      2 ** 29,
    );
  });
});
