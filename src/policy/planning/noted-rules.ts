/**
 * The rules of a policy together with their notes, and their order in an update. Pure.
 *
 * The order has no meaning in the API. Engines may number the rules by position all the same (kube-router 2.11 does), and
 * a rule that changes its position then cuts and opens for some milliseconds. So rules that stay keep their positions.
 */
import { ANNOTATION_RULES } from '../../api/names.ts';
import type { StringMap } from '../../api/meta.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicySpec,
  type PolicyType,
} from '../../api/network-policy.ts';
import { formatNotes, notesOf, type RuleNote } from '../notes.ts';
import { type DirectionRule, isolates, ruleKey, withRules } from '../semantics/normalize.ts';
import { activeRules } from './effect.ts';
import { SharedResults } from './shared-results.ts';

interface NotedRule {
  readonly rule: DirectionRule;
  readonly note: RuleNote | undefined;
}

/**
 * `desired` with the rules that `observed` has at the positions that they have there. A rule that is new takes the
 * position of one that is removed, or is appended. If more are removed than are new, the last rules fill the gaps.
 */
export function arranged(observed: NetworkPolicy, desired: NetworkPolicy): NetworkPolicy {
  const inputs = [observed.spec, observed.metadata.annotations, desired.metadata.annotations];
  const { spec, annotations } = arrangements.get(desired.spec, inputs, () => arrangement(observed, desired));
  if (spec === desired.spec) return desired;
  return { ...desired, metadata: { ...desired.metadata, ...(annotations && { annotations }) }, spec };
}

/** The parts of a policy that the order of its rules changes. */
interface Arrangement {
  readonly spec: NetworkPolicySpec;
  readonly annotations: StringMap | undefined;
}

const arrangements = new SharedResults<Arrangement>();

function arrangement(observed: NetworkPolicy, desired: NetworkPolicy): Arrangement {
  const { spec, metadata } = isolates(desired.spec).reduce((policy, direction) => {
    const rules = notedRules(desired, direction);
    const { kept, added } = matched(notedRules(observed, direction), rules);
    const placed = [...kept.map((rule) => rule ?? added.shift()), ...added];
    const inOrder = withoutGaps(placed);
    return inOrder.every((rule, index) => rule === rules[index])
      ? policy
      : withNotedRules(policy, direction, inOrder);
  }, desired);
  return { spec, annotations: metadata.annotations };
}

/** All that either form isolates and allows; both select the same pods. The rules of `observed` come first. */
export function union(observed: NetworkPolicy, desired: NetworkPolicy): NetworkPolicy {
  const isolated = [observed, desired].flatMap(({ spec }) => isolates(spec));
  const policyTypes = DIRECTIONS.filter((direction) => isolated.includes(direction));
  const { podSelector = {} } = desired.spec;
  // The annotation has one list of notes: it is that of the direction of the desired rules, which is merged last.
  const own = (direction: PolicyType) => notedRules(desired, direction).length > 0;
  return policyTypes
    .toSorted((a, b) => Number(own(a)) - Number(own(b)))
    .reduce<NetworkPolicy>(
      (policy, direction) => {
        const before = notedRules(observed, direction);
        const { kept, added } = matched(before, notedRules(desired, direction));
        const rules = [...before.map((rule, index) => kept[index] ?? rule), ...added];
        return withNotedRules(policy, direction, rules);
      },
      { ...desired, spec: { podSelector, policyTypes } },
    );
}

function notedRules(policy: NetworkPolicy, direction: PolicyType): NotedRule[] {
  const notes = notesOf(policy);
  return activeRules(policy.spec, direction).map((rule, index) => ({ rule, note: notes[index] }));
}

function withNotedRules(
  policy: NetworkPolicy,
  direction: PolicyType,
  rules: readonly NotedRule[],
): NetworkPolicy {
  const { metadata } = policy;
  const spec = withRules(
    policy.spec,
    direction,
    rules.map(({ rule }) => rule),
  );
  if (metadata.annotations?.[ANNOTATION_RULES] === undefined) return { ...policy, spec };
  const annotation = formatNotes(rules.map(({ note }) => note));
  const annotations = { ...metadata.annotations, [ANNOTATION_RULES]: annotation };
  return { ...policy, metadata: { ...metadata, annotations }, spec };
}

/** For each of `before` the rule of `after` that is the same, if there is one; and the others of `after`, in order. */
function matched(
  before: readonly NotedRule[],
  after: readonly NotedRule[],
): { kept: (NotedRule | undefined)[]; added: NotedRule[] } {
  const kept: (NotedRule | undefined)[] = before.map(() => undefined);
  const added = new Set(after);
  // Two rules of a profile may allow the same: each is matched by its note first.
  for (const keyOf of [noteAndRuleKey, ({ rule }: NotedRule) => ruleKey(rule)]) {
    const open = Map.groupBy(added, keyOf);
    for (const [index, rule] of before.entries()) {
      if (kept[index] !== undefined) continue;
      const same = open.get(keyOf(rule))?.shift();
      if (same === undefined) continue;
      kept[index] = same;
      added.delete(same);
    }
  }
  return { kept, added: [...added] };
}

function noteAndRuleKey({ rule, note }: NotedRule): string {
  return `${JSON.stringify([note?.rule, note?.peer])} ${ruleKey(rule)}`;
}

/** The rules with each gap filled by the last rule behind it, so that the fewest change their positions. */
function withoutGaps(placed: readonly (NotedRule | undefined)[]): NotedRule[] {
  const rules = [...placed];
  for (let gap = rules.indexOf(undefined); gap >= 0; gap = rules.indexOf(undefined, gap)) {
    const last = rules.pop();
    if (gap < rules.length) rules[gap] = last;
  }
  return rules.filter((rule) => rule !== undefined);
}
