import assert from 'node:assert/strict';
import { scheduleShared } from '../../../src/kube/http/shared-timer.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

describe('scheduleShared', () => {
  it('calls each callback when it is due, and not before', async () => {
    const clock = new VirtualClock();
    const called: string[] = [];
    scheduleShared(clock, 100, () => called.push(`a at ${clock.monotonic()}`));
    await clock.advance(30);
    scheduleShared(clock, 100, () => called.push(`b at ${clock.monotonic()}`)).cancel();
    scheduleShared(clock, 100, () => called.push(`c at ${clock.monotonic()}`));
    scheduleShared(clock, 20, () => called.push(`d at ${clock.monotonic()}`));
    await clock.advance(200);
    assert.deepEqual(called, ['d at 50', 'a at 100', 'c at 130']);
  });

  it('needs one timer for equal delays, and none once all are cancelled', () => {
    const clock = new VirtualClock();
    const timers = Array.from({ length: 100 }, () => scheduleShared(clock, 100, () => {}));
    assert.equal(clock.pending, 1);
    for (const timer of timers) timer.cancel();
    assert.equal(clock.pending, 0);
  });

  it('calls the other callbacks after the first is cancelled', async () => {
    const clock = new VirtualClock();
    const called: number[] = [];
    const first = scheduleShared(clock, 100, () => called.push(clock.monotonic()));
    await clock.advance(40);
    scheduleShared(clock, 100, () => called.push(clock.monotonic()));
    first.cancel();
    await clock.advance(200);
    assert.deepEqual(called, [140]);
    assert.equal(clock.pending, 0);
  });

  it('accepts callbacks that schedule or cancel others', async () => {
    const clock = new VirtualClock();
    const called: string[] = [];
    scheduleShared(clock, 100, () => {
      called.push('first');
      second.cancel();
      scheduleShared(clock, 100, () => called.push(`third at ${clock.monotonic()}`));
    });
    const second = scheduleShared(clock, 100, () => called.push('second'));
    await clock.advance(300);
    assert.deepEqual(called, ['first', 'third at 200']);
    assert.equal(clock.pending, 0);
  });
});
