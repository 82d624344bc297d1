import assert from 'node:assert/strict';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { type ExceptionItem, projectException } from '../../../src/controller/exceptions/items.ts';
import type { Verdicts } from '../../../src/controller/exceptions/verdicts.ts';
import { WallClock } from '../../../src/controller/exceptions/wall-clock.ts';
import type { Verdict } from '../../../src/policy/exceptions/judge.ts';
import type { Clock } from '../../../src/util/clock.ts';
import { CREATED, exception, granting, HOUR } from '../../policy/exceptions/fixture.ts';

const END = CREATED + 4 * HOUR;

describe('wall clock of exceptions', () => {
  it('is read again at once if an exception ends between two readings', () => {
    const timers: { readonly delay: number; readonly callback: () => void }[] = [];
    let now = END - 1;
    const clock: Clock = {
      // Each look at it takes a moment.
      now: () => now++,
      monotonic: () => now - CREATED,
      schedule: (delay, callback) => {
        timers.push({ delay, callback });
        return { cancel: () => {} };
      },
    };
    const item: ExceptionItem = projectException(exception('e'));
    const verdict = (): Verdict =>
      clock.now() < END
        ? { kind: 'in-force', profile: granting('p'), end: END }
        : { kind: 'expired', end: END };
    const followed: string[] = [];
    const verdicts: Pick<Verdicts, 'all' | 'namespaces'> = {
      *all() {
        yield [item, verdict()] as const;
      },
      namespaces: () => [{ key: 'shop' } as never],
    };
    const wallClock = new WallClock({
      clock,
      clusterState: new ClusterState([]),
      verdicts: verdicts as Verdicts,
      onVerdicts: () => followed.push(now < END ? 'in-force' : verdict().kind),
      onNotice: () => {},
      onReleased: () => {},
    });
    now = END - 2;
    wallClock.tick();
    const [first] = timers;
    assert.ok(first !== undefined);
    assert.equal(first.delay, 1);
    first.callback();
    assert.equal(followed.at(-1), 'expired');
    assert.ok((timers.at(-1)?.delay ?? 0) > 1000, 'nothing is left to follow');
  });
});
