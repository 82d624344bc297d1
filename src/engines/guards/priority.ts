/**
 * The priorities of guards: each profile has its own, with gaps for the policies of others between. Pure.
 *
 * To pass a flow means to leave out the rest of the tier, so that of two guards of a pod the first one decides alone. If the
 * subject of one lies within that of the other, it comes first: it passes no more than the other one does there.
 */
import type { LabelSelector } from '../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import { includesSelector } from '../../policy/guard/selectors.ts';

/** Both ends included. */
export interface PriorityRange {
  readonly first: number;
  readonly last: number;
}

/** The guard of another profile. */
export interface PlacedGuard {
  readonly priority: number;
  /** Undefined if somebody has changed the object, so that it can't be read. */
  readonly subject: LabelSelector | undefined;
}

/** The policies beside a guard. */
export interface Neighbours {
  readonly guards: readonly PlacedGuard[];
  /** The priorities of policies that a guard leaves theirs when it begins. */
  readonly foreign: ReadonlySet<number>;
}

/** The first priority, unless the operator's configuration has another one. */
export const FIRST_PRIORITY = 500;

/** The last one, likewise. */
export const LAST_PRIORITY = 890;

/** The distance between two guards. */
export const GAP = 10;

/**
 * The observed priority of a guard, if it lies in the range, no other guard has it, and all guards with a narrower subject come
 * before it. Else the first free one after these, and before guards with a wider subject if there is room. Undefined if none is
 * free.
 */
export function choosePriority(
  { observed, subject }: { readonly observed: number | undefined; readonly subject: LabelSelector },
  { guards, foreign }: Neighbours,
  { first, last }: PriorityRange,
): number | undefined {
  const taken = new Set(guards.map(({ priority }) => priority));
  const isKept = observed !== undefined && first <= observed && observed <= last && !taken.has(observed);
  const after = Math.max(...prioritiesOf(guards, (other) => isWithin(other, subject)));
  if (isKept && observed > after) return observed;
  const before = Math.min(...prioritiesOf(guards, (other) => isWithin(subject, other)));
  const free: number[] = [];
  for (let priority = first; priority <= last; priority += GAP)
    if (!taken.has(priority) && !foreign.has(priority)) free.push(priority);
  return (
    free.find((each) => after < each && each < before) ??
    free.find((each) => after < each) ??
    (isKept ? observed : free[0])
  );
}

function prioritiesOf(
  guards: readonly PlacedGuard[],
  isChosen: (subject: LabelSelector) => boolean,
): number[] {
  return guards.flatMap(({ priority, subject }) =>
    subject !== undefined && isChosen(subject) ? [priority] : [],
  );
}

/** True if all namespaces of the first selector are of the second one too, and not the reverse. */
export function isWithin(inner: LabelSelector, outer: LabelSelector): boolean {
  return hasAllOf(outer, inner) && !hasAllOf(inner, outer);
}

/**
 * True if `outer` selects all namespaces of `inner` but those that it excludes by name: there `outer` guards nothing, so that
 * no order is wrong.
 */
export function hasAllOf(outer: LabelSelector, inner: LabelSelector): boolean {
  const matchExpressions = outer.matchExpressions?.filter(
    ({ key, operator }) => key !== LABEL_NAMESPACE_NAME || operator !== 'NotIn',
  );
  return includesSelector({ ...outer, ...(matchExpressions && { matchExpressions }) }, inner);
}
