/** Relations between label selectors, by their canonical forms. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import { intersection, NOTHING, selectorKey } from '../semantics/selector.ts';

/** True if no labels match both selectors. */
export function areDisjoint(a: LabelSelector, b: LabelSelector): boolean {
  return selectorKey(intersection(a, b)) === selectorKey(NOTHING);
}

/** True if `outer` matches all labels that `inner` matches. */
export function includesSelector(outer: LabelSelector, inner: LabelSelector): boolean {
  return selectorKey(intersection(outer, inner)) === selectorKey(inner);
}
