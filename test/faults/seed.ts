/** The seed of a run of the fault suite, and the command that repeats it. */

/** Chooses changes and faults, and their order. Fixed in `npm test`; scripts/suite/faults.ts sets others. */
export const SEED = Number(process.env['FAULTS_SEED'] ?? 1);
/** True if all faults are tested, not only the core that `npm test` runs. */
export const IS_FULL_SUITE = process.env['FAULTS_SEED'] !== undefined;
/** A seed makes other choices in the full suite than in the core, so the core has its own command. */
const REPLAY = IS_FULL_SUITE ? `npm run test:faults -- --seed ${SEED}` : 'npm test -- test/faults';

/** Registers a hook that prints the seed, the command that repeats it, and the story of the round of a failed test. */
export function printReplayOnFailure(story: () => string | undefined = () => undefined): void {
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    console.error(`      seed ${SEED}${IS_FULL_SUITE ? '' : ', the core'}; repeat with: ${REPLAY}`);
    const text = story();
    if (text !== undefined) console.error(`      ${text}`);
  });
}
