/** The effect of a single policy: the pods that it isolates and the flows that it allows. Pure. */
import { DIRECTIONS, type NetworkPolicySpec, type PolicyType } from '../../api/network-policy.ts';
import { type DirectionRule, isolates, ruleKey, rulesOf } from '../semantics/normalize.ts';
import { EVERYTHING, selectorKey } from '../semantics/selector.ts';

/** True if `a` isolates a direction, or has a rule there, that `b` does not. Both select the same pods. */
export function exceeds(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return isolates(a).some((direction) => {
    if (!isolates(b).includes(direction)) return true;
    const known = new Set(rulesOf(b, direction).map(ruleKey));
    return rulesOf(a, direction).some((rule) => !known.has(ruleKey(rule)));
  });
}

/** The rules of a direction; none if the direction is not isolated, as they have no effect then. */
export function activeRules(spec: NetworkPolicySpec, direction: PolicyType): DirectionRule[] {
  return isolates(spec).includes(direction) ? rulesOf(spec, direction) : [];
}

/** True if the policy allows anything. */
export function carriesRules(spec: NetworkPolicySpec): boolean {
  return DIRECTIONS.some((direction) => activeRules(spec, direction).length > 0);
}

export function sameSelector(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return selectorKey(a.podSelector ?? EVERYTHING) === selectorKey(b.podSelector ?? EVERYTHING);
}

/** True if the policy isolates every pod of its namespace in `direction`. */
export function isolatesAll(spec: NetworkPolicySpec, direction: PolicyType): boolean {
  return isolates(spec).includes(direction) && selectorKey(spec.podSelector ?? EVERYTHING) === '{}';
}

/** True if `a` isolates every pod in every direction that `b` isolates it in. */
export function isolatesNoLess(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return sameSelector(a, b) && isolates(b).every((direction) => isolates(a).includes(direction));
}

/** True if the policy allows everything in its directions: by itself it cuts nothing. */
export function isCover(spec: NetworkPolicySpec): boolean {
  return isolates(spec).every((direction) =>
    rulesOf(spec, direction).some(({ peers, ports }) => !peers && !ports),
  );
}
