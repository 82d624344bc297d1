/** The Pod Security levels that profiles ask for in a namespace: of several profiles, the highest of each mode. Pure. */
import type { SegmentationProfile } from '../../api/profile.ts';
import { higher, type Levels, type Mode, MODES, type VersionedLevel } from './levels.ts';

/** The request of all profiles for one namespace. */
export interface Demand {
  readonly levels: Levels;
  /** True if a profile accepts that pods which run in the namespace violate the level of `enforce`. */
  readonly isAcknowledged: boolean;
}

/** An entry of `acknowledge.namespaces` that stands for all selected namespaces. */
const EVERY_NAMESPACE = '*';

/** The levels that a profile asks for; undefined if it asks for none. */
export function levelsOf({ spec }: SegmentationProfile): Levels | undefined {
  const podSecurity = spec.workloads?.podSecurity;
  if (podSecurity === undefined) return undefined;
  const { version } = podSecurity;
  const asked = MODES.map((mode) => [mode, podSecurity[mode]] as const);
  return Object.fromEntries(
    asked.filter(([, level]) => level !== undefined).map(([mode, level]) => [mode, { level, version }]),
  );
}

/**
 * @param profiles those that enforce the namespace
 * @returns undefined if none of them asks for a level
 */
export function demandOf(profiles: readonly SegmentationProfile[], namespace: string): Demand | undefined {
  const asked = profiles.map((profile) => levelsOf(profile) ?? {});
  const levels: Partial<Record<Mode, VersionedLevel>> = {};
  for (const mode of MODES) {
    const [first, ...others] = asked.flatMap((each) => each[mode] ?? []);
    if (first !== undefined) levels[mode] = others.reduce(higher, first);
  }
  if (Object.keys(levels).length === 0) return undefined;
  const enforced = levels.enforce?.level;
  return {
    levels,
    isAcknowledged: profiles.some((profile) => acknowledges(profile, namespace, enforced)),
  };
}

function acknowledges({ spec }: SegmentationProfile, namespace: string, level: string | undefined): boolean {
  const { enforce, namespaces = [] } = spec.workloads?.podSecurity?.acknowledge ?? {};
  return enforce === level && [EVERY_NAMESPACE, namespace].some((each) => namespaces.includes(each));
}
