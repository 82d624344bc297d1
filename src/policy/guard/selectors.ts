/** Relations between label selectors, by their canonical forms. Pure. */
import type { LabelSelector, LabelSelectorRequirement } from '../../api/meta.ts';
import { canonicalSelector, NOTHING, selectorKey } from '../semantics/selector.ts';

/** Matches the labels that both selectors match. */
export function intersection(a: LabelSelector, b: LabelSelector): LabelSelector {
  return canonicalSelector({ matchExpressions: [...requirementsOf(a), ...requirementsOf(b)] });
}

/** True if no labels match both selectors. */
export function areDisjoint(a: LabelSelector, b: LabelSelector): boolean {
  return selectorKey(intersection(a, b)) === selectorKey(NOTHING);
}

/** True if `outer` matches all labels that `inner` matches. */
export function includesSelector(outer: LabelSelector, inner: LabelSelector): boolean {
  return selectorKey(intersection(outer, inner)) === selectorKey(inner);
}

function requirementsOf({
  matchLabels = {},
  matchExpressions = [],
}: LabelSelector): LabelSelectorRequirement[] {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In' as const, values: [value] })),
    ...matchExpressions,
  ];
}
