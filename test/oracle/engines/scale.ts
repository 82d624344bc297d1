/** How much the judges of engines are asked: a small core in `npm test`, and all of it in `npm run test:engines`. */

const { ENGINES_TIMES, ENGINES_SEED } = process.env;

/** The seed of generated cases; `npm run test:engines -- --seed S` chooses another one. */
export const SEED = Number(ENGINES_SEED ?? 1);

/** True under `npm run test:engines`: suites whose tools take long to build run only then. */
export const IS_FULL = ENGINES_TIMES !== undefined;

/** The number of generated cases, of which the core has `core`. */
export function cases(core: number): number {
  return IS_FULL ? Math.ceil(core * Number(ENGINES_TIMES)) : core;
}
