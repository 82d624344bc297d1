/** The differences between two sets of policies, by policy and by rule. Differences of spelling don't count. Pure. */
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import { type DirectionRule, isolates, ruleKey, rulesOf, specKey } from '../policy/semantics/normalize.ts';
import { selectorKey } from '../policy/semantics/selector.ts';

const DIRECTIONS: readonly PolicyType[] = ['Ingress', 'Egress'];

export interface RuleChange {
  readonly direction: PolicyType;
  readonly change: 'added' | 'removed';
  readonly rule: DirectionRule;
  /** Index in the policy that has the rule. */
  readonly index: number;
}

export interface PolicyChange {
  readonly change: 'added' | 'removed' | 'changed';
  /** Absent for an added policy. */
  readonly before?: NetworkPolicy;
  /** Absent for a removed policy. */
  readonly after?: NetworkPolicy;
  /** Empty for an added or removed policy. */
  readonly rules: readonly RuleChange[];
  /** True if the policy selects other pods than before, or isolates other directions. */
  readonly scope: boolean;
}

/** The policies that differ in meaning, sorted by namespace and name. */
export function policyChanges(
  before: readonly NetworkPolicy[],
  after: readonly NetworkPolicy[],
): PolicyChange[] {
  const [old, next] = [byName(before), byName(after)];
  const names = [...new Set([...old.keys(), ...next.keys()])].sort();
  return names.flatMap((name) => policyChange(old.get(name), next.get(name)) ?? []);
}

function policyChange(
  before: NetworkPolicy | undefined,
  after: NetworkPolicy | undefined,
): PolicyChange | undefined {
  if (before === undefined || after === undefined) {
    return {
      change: before === undefined ? 'added' : 'removed',
      ...(before && { before }),
      ...(after && { after }),
      rules: [],
      scope: false,
    };
  }
  if (specKey(before.spec) === specKey(after.spec)) return undefined;
  const scope =
    selectorKey(before.spec.podSelector ?? {}) !== selectorKey(after.spec.podSelector ?? {}) ||
    isolates(before.spec).join() !== isolates(after.spec).join();
  const rules = DIRECTIONS.flatMap((direction) => ruleChanges(before, after, direction));
  return { change: 'changed', before, after, rules, scope };
}

function byName(policies: readonly NetworkPolicy[]): Map<string, NetworkPolicy> {
  return new Map(policies.map((policy) => [`${policy.metadata.namespace}/${policy.metadata.name}`, policy]));
}

function ruleChanges(before: NetworkPolicy, after: NetworkPolicy, direction: PolicyType): RuleChange[] {
  const [old, next] = [rulesOf(before.spec, direction), rulesOf(after.spec, direction)];
  const missing = (
    rules: readonly DirectionRule[],
    others: readonly DirectionRule[],
    change: RuleChange['change'],
  ) => {
    const known = new Set(others.map(ruleKey));
    return rules.flatMap((rule, index) =>
      known.has(ruleKey(rule)) ? [] : [{ direction, change, rule, index }],
    );
  };
  return [...missing(old, next, 'removed'), ...missing(next, old, 'added')];
}
