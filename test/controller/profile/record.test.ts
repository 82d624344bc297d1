// The memory of a profile: the pace at which its status is judged, and the writes that its deletion waits for.
import assert from 'node:assert/strict';
import { ProfileRecord } from '../../../src/controller/profile/record.ts';
import { Records } from '../../../src/controller/records.ts';
import type { NamespaceResult } from '../../../src/controller/results.ts';

const ENFORCED: NamespaceResult = {
  generation: 1,
  state: 'enforced',
  desired: 5,
  applied: 5,
  unresolved: [],
  connections: [],
  conflicts: [],
};

/** Enforces a profile in `namespaces`, one each `everyMs`. Returns the times at which its status is judged, in ms. */
function judgedInBackfill(namespaces: number, everyMs: number): number[] {
  const record = new ProfileRecord();
  const judged: number[] = [];
  const judge = (now: number) => {
    record.beginJudging(now);
    record.endJudging(0, namespaces - record.results.size);
    judged.push(now);
  };
  judge(0);
  let dueAt = Number.POSITIVE_INFINITY;
  for (let done = 1; done <= namespaces; done++) {
    const now = done * everyMs;
    if (dueAt < now) {
      judge(dueAt);
      dueAt = Number.POSITIVE_INFINITY;
    }
    record.setResult(`ns-${done}`, ENFORCED);
    // As in the queue, the earliest time wins.
    dueAt = Math.min(dueAt, now + record.statusDelay(now));
  }
  judge(dueAt);
  return judged;
}

describe("a profile's status", () => {
  it('is judged at most every two seconds in a backfill, and within half a second after its end', () => {
    const end = 15_000;
    const judged = judgedInBackfill(3000, end / 3000);
    assert.ok(judged.length <= 2 + end / 2000, `judged at ${judged.join(', ')}`);
    assert.ok((judged.at(-1) ?? 0) - end <= 500, `judged at ${judged.join(', ')}`);
  });

  it('is judged at once if the backfill is over before it was judged again', () => {
    const [, last] = judgedInBackfill(10, 100);
    assert.equal(last, 1020);
  });

  it('is judged half a second after the last time if no namespace is pending', () => {
    const record = new ProfileRecord();
    record.beginJudging(0);
    record.endJudging(0, 0);
    assert.equal(record.statusDelay(100), 400);
    assert.equal(record.statusDelay(600), 20);
  });
});

describe('the deletion of a profile', () => {
  it('waits for writes that began before it, and is tried again after the last of them', () => {
    const records = new Records();
    const retried: string[] = [];
    records.subscribe((profile) => retried.push(profile));
    records.beginEnforcing('a', ['shop', 'other']);
    records.beginEnforcing('b', ['shop']);
    assert.equal(records.profile('shop').isReleasable(), false);
    records.endEnforcing('a', ['shop', 'other']);
    assert.deepEqual(retried, []);
    assert.equal(records.profile('shop').isReleasable(), false);
    records.endEnforcing('b', ['shop']);
    assert.deepEqual(retried, ['shop']);
    assert.equal(records.profile('shop').isReleasable(), true);
  });

  it('is not tried again by writes for which it did not wait', () => {
    const records = new Records();
    records.subscribe((profile) => assert.fail(`${profile} is tried again`));
    records.beginEnforcing('a', ['shop']);
    records.endEnforcing('a', ['shop']);
    assert.equal(records.profile('shop').isReleasable(), true);
  });
});
