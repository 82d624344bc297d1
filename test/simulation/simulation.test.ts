import assert from 'node:assert/strict';
import { report, shrink } from './judge/report.ts';
import { planOf } from './schedule/plan.ts';
import { simulateAll } from './pool.ts';
import { simulate } from './simulation.ts';

/** Schedules that broke an invariant once, or that the judge was wrong about. */
const ONCE_BROKEN = [
  562, 6009, 236_704_510, 236_705_078, 305_116_655, 664_214_176, 906_694, 907_655, 2_001_095, 3_000_015,
  88_304_652, 88_306_664, 640_000_924, 640_003_686, 770_003_708, 770_005_255,
];
/** How many schedules run with the unit tests: a fixed number, the first seeds. More: npm run test:simulation. */
const SCHEDULES = 60;

describe('the controller, in simulated time,', () => {
  it(`keeps every invariant in ${SCHEDULES} schedules of events and faults`, async () => {
    const sums = { writes: 0, transitions: 0, openings: 0 };
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const plan = planOf(seed);
      const { fault, counts } = await simulate(plan);
      if (fault !== undefined) assert.fail(await report(seed, await shrink(plan)));
      for (const name of ['writes', 'transitions', 'openings'] as const) sums[name] += counts[name] ?? 0;
    }
    const isEnough =
      sums.writes > 30 * SCHEDULES && sums.transitions > SCHEDULES && sums.openings > SCHEDULES / 4;
    assert.ok(isEnough, `too little happened to be of use: ${JSON.stringify(sums)}`);
  });

  for (const seed of ONCE_BROKEN)
    it(`keeps every invariant in schedule ${seed}, which is here for a reason`, async () => {
      const { fault } = await simulate(planOf(seed));
      if (fault !== undefined) assert.fail(await report(seed, planOf(seed)));
    });

  it('does the same things at the same times when a seed is run again, alone or after others', async () => {
    const seeds = [SCHEDULES, 4];
    // Each in a thread that has run nothing else; here all of the above came before.
    const left = [...seeds];
    const alone = new Map<number, string>();
    await simulateAll(
      () => left.pop(),
      seeds.length,
      ({ seed, digest }) => alone.set(seed, digest),
    );
    for (const seed of seeds) {
      const { trace, digest } = await simulate(planOf(seed), true);
      assert.ok(trace.length > 30, `${trace.length} lines`);
      assert.equal(digest, alone.get(seed));
    }
    assert.notEqual(alone.get(4), alone.get(SCHEDULES));
  });
});
