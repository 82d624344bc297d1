/** Which policies differ between those of ours that stand and those that are wanted, and in which sense. Pure. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import { exceeds, sameSelector } from './effect.ts';
import { DIRECTIONS, fingerprint, isolates } from '../semantics/normalize.ts';

/** An object that is to be created (no `old`), deleted (no `wanted`) or updated. */
export type Change = {
  /** Whether something becomes allowed, or a pod isolated, that was not by this object. */
  readonly gains: boolean;
  /** Whether something that this object allowed, or a pod that it isolated, no longer is by it. */
  readonly loses: boolean;
} & (
  | { readonly old: NetworkPolicy | undefined; readonly wanted: NetworkPolicy }
  | { readonly old: NetworkPolicy; readonly wanted?: undefined }
);

/** What leads from `ours`, by name, to `desired`; those that are the same already are not in it. */
export function changesOf(
  ours: ReadonlyMap<string, NetworkPolicy>,
  desired: readonly NetworkPolicy[],
): Change[] {
  const changes: Change[] = [];
  const wantedNames = new Set(desired.map(({ metadata }) => metadata.name));
  for (const wanted of desired) {
    const old = ours.get(wanted.metadata.name);
    if (old === undefined) changes.push({ old, wanted, gains: true, loses: false });
    else if (fingerprint(old) !== fingerprint(wanted)) {
      const moved = !sameSelector(old.spec, wanted.spec);
      changes.push({
        old,
        wanted,
        gains: moved || exceeds(wanted.spec, old.spec),
        loses: moved || exceeds(old.spec, wanted.spec),
      });
    }
  }
  for (const old of ours.values()) {
    if (!wantedNames.has(old.metadata.name)) changes.push({ old, gains: false, loses: true });
  }
  return changes;
}

/** Whether two changes touch a direction in common. */
export function meet(a: Change, b: Change): boolean {
  const touched = directionsOf(b);
  return directionsOf(a).some((direction) => touched.includes(direction));
}

function directionsOf({ old, wanted }: Change): PolicyType[] {
  return DIRECTIONS.filter((direction) =>
    [old, wanted].some((policy) => policy !== undefined && isolates(policy.spec).includes(direction)),
  );
}
