// The seed of a run of the fault suite, and how to run it again.

/** Chooses changes and faults, and their order. `npm test` always takes the same; scripts/faults.ts gives others. */
export const SEED = Number(process.env['FAULTS_SEED'] ?? 1);
/** Whether there is time for more than the core. */
export const EVERYTHING = process.env['FAULTS_SEED'] !== undefined;
/** More faults are other choices by the same seed: the core is repeated as it is. */
const REPLAY = EVERYTHING ? `npm run test:faults -- --seed ${SEED}` : 'npm test -- test/faults';

/** Registers a hook: where a test fails, it is told how to repeat what was chosen, and what that was. */
export function tellReplay(story: () => string | undefined = () => undefined): void {
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    console.error(`      seed ${SEED}${EVERYTHING ? '' : ', the core'}; repeat with: ${REPLAY}`);
    const told = story();
    if (told !== undefined) console.error(`      ${told}`);
  });
}
