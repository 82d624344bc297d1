/** The invariants in simulated schedules. docs/development.md says how to run more of them. */
import assert from 'node:assert/strict';
import { report, shrink } from './judge/report.ts';
import { EDITS, GENERATOR, IDENTITIES, planOf } from './schedule/plan.ts';
import { simulateAll } from './pool.ts';
import { simulate } from './simulation.ts';
import { runs } from '../policy/fixture.ts';

/** Seeds whose schedules broke an invariant once, or were judged wrongly, by the version of the generator. */
const REGRESSIONS: Readonly<Record<number, readonly number[]>> = {
  1: [
    562, 6009, 236_704_510, 236_705_078, 305_116_655, 664_214_176, 906_694, 907_655, 2_001_095, 3_000_015,
    88_304_652, 88_306_664, 640_000_924, 640_003_686, 770_003_708, 770_005_255, 424_367, 424_526, 726_001_487,
    726_008_043, 726_008_804, 83_828_781, 315_582_399, 146_528_210, 146_530_309,
  ],
  2: [
    8, 44, 2011, 3035, 408_189_656, 10_044, 10_056, 30_315, 30_320, 30_642, 40_080, 643_041_558, 643_041_704,
    643_042_998, 795_819_208, 355_927_453, 355_927_615, 657_396_125, 657_396_397, 657_396_796, 1_009_948_733,
    825_421_847, 713_679_068, 657_398_104, 400_074_798, 400_075_144,
  ],
  3: [
    304_006_167, 304_006_204, 304_006_645, 304_006_668, 956_888_437, 956_890_975, 672_876_566, 672_873_534,
    589_891_323, 589_891_415, 130_204_754, 687_019_480, 401_666_911, 736_228_008, 736_229_019, 736_229_897,
    736_228_309, 768_525_521,
  ],
  4: [
    40_624, 41_532, 41_271, 288_840_356, 356_086_716, 356_087_352, 356_086_713, 356_086_128, 515_002_932,
    30_362_364, 30_363_053,
  ],
  7: [
    110, 300, 361, 927_490_912, 927_490_991, 516_000_111, 516_001_316, 516_001_407, 516_001_525, 665_919_355,
    722_581_627,
  ],
  8: [
    299, 354, 362, 560, 516_000_047, 516_000_227, 517_000_484, 517_000_429, 142_543_653, 471_898_352,
    1_000_596_897, 1_000_596_918, 1_000_596_978, 1_000_597_029, 647_465_312, 192_828,
  ],
  9: [
    720_000_015, 720_000_020, 720_000_032, 246_363_997, 750_000_054, 750_000_123, 751_000_008, 751_500_003,
    905_000_284, 960_000_005, 960_000_167, 960_000_259, 961_000_003, 964_000_103, 970_000_221,
  ],
  10: [
    740_000_000, 750_000_016, 750_000_054, 960_000_117, 960_000_187, 960_000_189, 962_000_000, 962_000_008,
    964_000_019, 971_000_085, 972_000_050, 972_000_155,
  ],
};
const REGRESSION_PLANS = Object.entries(REGRESSIONS).flatMap(([generator, seeds]) =>
  seeds.map((seed) => planOf(seed, Number(generator))),
);
/** The seeds 1 to SCHEDULES run with the other tests. */
const SCHEDULES = runs(60);
/** The same of each version that has meshes and guards alone. */
const IDENTITY_SCHEDULES = runs(3);

describe('simulation', () => {
  it(`of the controller keeps every invariant in ${SCHEDULES} schedules of events and faults`, async () => {
    const sums = { writes: 0, transitions: 0, openings: 0 };
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const plan = planOf(seed);
      const { breach, counts } = await simulate(plan);
      if (breach !== undefined) assert.fail(await report(await shrink(plan)));
      for (const name of ['writes', 'transitions', 'openings'] as const) sums[name] += counts[name] ?? 0;
    }
    const isEnough =
      sums.writes > 30 * SCHEDULES && sums.transitions > SCHEDULES && sums.openings > SCHEDULES / 4;
    assert.ok(isEnough, `the schedules cause too few writes to be of use: ${JSON.stringify(sums)}`);
  }).timeout('5m');

  for (const [generator, what] of [
    [IDENTITIES, 'meshes and guards among policies of others'],
    [EDITS, 'edited profiles among policies that open pods to everyone'],
  ] as const)
    it(`of the controller keeps every invariant in ${IDENTITY_SCHEDULES} schedules of ${what}`, async () => {
      for (let seed = 1; seed <= IDENTITY_SCHEDULES; seed++) {
        const plan = planOf(seed, generator);
        const { breach } = await simulate(plan);
        if (breach !== undefined) assert.fail(await report(await shrink(plan)));
      }
    });

  for (const plan of REGRESSION_PLANS.slice(0, runs(REGRESSION_PLANS.length)))
    it(`of the controller keeps every invariant in schedule ${plan.seed} of generator ${plan.generator}, a regression`, async () => {
      const { breach } = await simulate(plan);
      if (breach !== undefined) assert.fail(await report(plan));
    });

  it('of a seed has the same trace when it runs again, alone or after other seeds', async () => {
    const seeds = [SCHEDULES, 4];
    // Each seed runs in a fresh thread, and again in this one, which has run the schedules above.
    const left = [...seeds];
    const alone = new Map<number, string>();
    await simulateAll(
      () => left.pop(),
      { jobs: seeds.length, generator: GENERATOR },
      ({ seed, digest }) => alone.set(seed, digest),
    );
    for (const seed of seeds) {
      const { trace, digest } = await simulate(planOf(seed), { isTraced: true });
      assert.ok(trace.length > 30, `${trace.length} lines`);
      assert.equal(digest, alone.get(seed));
    }
    assert.notEqual(alone.get(4), alone.get(SCHEDULES));
  });
});
