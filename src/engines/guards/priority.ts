/** The priorities of guards: each profile has its own, with gaps for the policies of others between. Pure. */

/** Both ends included. */
export interface PriorityRange {
  readonly first: number;
  readonly last: number;
}

/** The first priority, unless the operator's configuration has another one. */
export const FIRST_PRIORITY = 500;

/** The distance between two guards. */
export const GAP = 10;

/**
 * The observed priority of a guard, if it lies in the range and no other guard has it; else the first free one. Undefined if
 * none is free.
 *
 * @param taken the priorities that other guards have; and those of policies that a guard leaves theirs when it begins
 */
export function choosePriority(
  observed: number | undefined,
  taken: { readonly guards: ReadonlySet<number>; readonly foreign: ReadonlySet<number> },
  { first, last }: PriorityRange,
): number | undefined {
  if (observed !== undefined && first <= observed && observed <= last && !taken.guards.has(observed))
    return observed;
  for (let priority = first; priority <= last; priority += GAP)
    if (!taken.guards.has(priority) && !taken.foreign.has(priority)) return priority;
  return undefined;
}
