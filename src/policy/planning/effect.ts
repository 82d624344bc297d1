/** What one policy does by itself: whom it isolates and what it allows, also compared with another form of it. Pure. */
import type { NetworkPolicySpec, PolicyType } from '../../api/network-policy.ts';
import {
  type DirectionRule,
  DIRECTIONS,
  isolates,
  ruleKey,
  rulesOf,
  withRules,
} from '../semantics/normalize.ts';
import { EVERYTHING, selectorKey } from '../semantics/selector.ts';

/** Whether `a` isolates a direction or holds a rule there that `b` does not. Both select the same pods. */
export function exceeds(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return isolates(a).some((direction) => {
    if (!isolates(b).includes(direction)) return true;
    const known = new Set(rulesOf(b, direction).map(ruleKey));
    return rulesOf(a, direction).some((rule) => !known.has(ruleKey(rule)));
  });
}

/** All that either form isolates and allows; both select the same pods. Wanted rules first, as their notes count. */
export function union(old: NetworkPolicySpec, wanted: NetworkPolicySpec): NetworkPolicySpec {
  const policyTypes = DIRECTIONS.filter(
    (each) => isolates(old).includes(each) || isolates(wanted).includes(each),
  );
  return policyTypes.reduce<NetworkPolicySpec>(
    (spec, direction) => {
      const rules = [wanted, old].flatMap((form) => activeRules(form, direction));
      return withRules(spec, direction, [...new Map(rules.map((rule) => [ruleKey(rule), rule])).values()]);
    },
    { podSelector: wanted.podSelector ?? {}, policyTypes },
  );
}

/** The rules of a direction that have an effect: those of one that is isolated. */
function activeRules(spec: NetworkPolicySpec, direction: PolicyType): DirectionRule[] {
  return isolates(spec).includes(direction) ? rulesOf(spec, direction) : [];
}

/** Whether it allows anything. */
export function carriesRules(spec: NetworkPolicySpec): boolean {
  return DIRECTIONS.some((direction) => activeRules(spec, direction).length > 0);
}

export function sameSelector(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return selectorKey(a.podSelector ?? EVERYTHING) === selectorKey(b.podSelector ?? EVERYTHING);
}

/** Whether `spec` isolates every pod of its namespace in `direction`. */
export function isolatesAll(spec: NetworkPolicySpec, direction: PolicyType): boolean {
  return isolates(spec).includes(direction) && selectorKey(spec.podSelector ?? EVERYTHING) === '{}';
}

/** Whether every pod that `b` isolates in a direction is isolated in it by `a` too. */
export function isolatesNoLess(a: NetworkPolicySpec, b: NetworkPolicySpec): boolean {
  return sameSelector(a, b) && isolates(b).every((direction) => isolates(a).includes(direction));
}

/** Whether the object allows everything in its directions: its presence alone cuts nothing. */
export function isCover(spec: NetworkPolicySpec): boolean {
  return isolates(spec).every((direction) =>
    rulesOf(spec, direction).some(({ peers, ports }) => !peers && !ports),
  );
}
