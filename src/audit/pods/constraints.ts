/** The limits of a profile by which the API server refuses pods that a check finds. Pure. */
import { BASELINE } from './baseline/index.ts';
import { RESTRICTED } from './restricted/index.ts';

const level = (checks: typeof BASELINE, name: string) =>
  Object.values(checks).map(({ id }) => [id, `podSecurity: {enforce: ${name}}`] as const);

/** By the id of a check. A check that is part of both levels is refused by the lower one. */
const LIMITS: ReadonlyMap<string, string> = new Map([
  ...level(RESTRICTED, 'restricted'),
  ...level(BASELINE, 'baseline'),
  ['image-latest', 'images: {tags: {deny: [latest]}}'],
  ['image-without-digest', 'images: {digest: Required}'],
  ['image-registry', 'images: {registries: [registry.example.com]}'],
]);

/** The field of a profile's spec, in YAML, that has such pods refused; undefined if there is none. */
export function constraintOf(check: string): string | undefined {
  const limit = LIMITS.get(check);
  return limit === undefined ? undefined : `workloads: {${limit}}`;
}
