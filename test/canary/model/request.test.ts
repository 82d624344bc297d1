import assert from 'node:assert/strict';
import { delayMs } from '../../../src/canary/model/request.ts';

describe('delay of a requested round', () => {
  it('is nothing to notice for a few probes, and spreads thousands over seconds', () => {
    assert.ok(delayMs(4, 0.99) < 10);
    assert.equal(delayMs(2000, 0.5), 2000);
    assert.equal(delayMs(100_000, 0.5), 2500);
  });
});
