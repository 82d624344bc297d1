/**
 * The judge of last known peers (I3): an unresolved peer keeps a form that it had, and loses it only if a user deleted the
 * policies that show it.
 */
import type { NetworkPolicy, PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { lastKnownFrom, NOTHING_KNOWN } from '../../../src/policy/peers/last-known.ts';
import type { Compiled, LastKnown } from '../../../src/policy/compile.ts';
import { type DirectionRule, ruleKey } from '../../../src/policy/semantics/normalize.ts';
import type { Combination } from '../schedule/combination.ts';
import { intentOf } from '../schedule/inputs.ts';
import type { Recorder } from './recorder.ts';

/** A profile in a namespace. */
export interface ProfileInNamespace {
  readonly name: string;
  /** The profile's index in PROFILES. */
  readonly index: number;
  readonly namespace: string;
  readonly recorder: Recorder;
}

/** A peer of a rule in one object of the profile: the arguments of LastKnown.rules. */
type Peer = readonly [object: string, direction: PolicyType, rule: string, peer: string];

/** An unresolved peer, and the rules that stand for it; without rules, no last known form exists. */
interface KnownPeer {
  readonly peer: Peer;
  readonly rules: readonly DirectionRule[];
}

/** The profile intent with unresolved peers as the observed policies have them, and a list of these peers. */
export function intentAsEnforced(
  profile: SegmentationProfile | undefined,
  namespace: string,
  combination: Combination,
  observed: readonly NetworkPolicy[],
): { readonly intent: Compiled | undefined; readonly lastKnown: readonly KnownPeer[] } {
  const lastKnown: KnownPeer[] = [];
  const read = lastKnownFrom(observed);
  const recording: LastKnown = {
    selection: (policy, direction) => read.selection(policy, direction),
    rules(...peer) {
      const rules = read.rules(...peer);
      lastKnown.push({ peer, rules });
      return rules;
    },
  };
  return { intent: intentOf(profile, namespace, combination, recording), lastKnown };
}

/** Equal for forms that differ in the order of their rules alone: it has no meaning. */
function formKey(rules: readonly DirectionRule[]): string {
  return rules.map(ruleKey).sort().join('\n');
}

/** Describes the first last known peer that is wrong; undefined if all are right. */
export function wrongLastKnown(
  lastKnown: readonly KnownPeer[],
  { index, namespace, recorder }: ProfileInNamespace,
): string | undefined {
  const { inputs, policiesAtStart, hasSameLeader } = recorder;
  const atStart = lastKnownFrom(policiesAtStart.get(namespace) ?? []);
  const combinations = inputs.combinations(namespace);
  const compiledWith = (each: Combination, form: LastKnown) =>
    intentOf(each.profiles[index]?.profile, namespace, each, form);
  const formsWith = (form: LastKnown) =>
    combinations.map((each) => lastKnownFrom(compiledWith(each, form)?.policies ?? []));
  /**
   * The forms that the profile asked for at any time in the round. A peer that becomes unresolved keeps its form, and its
   * policy can add rules to that: a namespace's own pods are always known.
   */
  const intendedForms = once(() => {
    const forms = formsWith(atStart);
    return [...forms, ...forms.flatMap(formsWith)];
  });
  /** The forms without last known peers. Not empty for peers that are partly known, as a namespace's own pods are. */
  const formsWithoutLastKnown = once(() => formsWith(NOTHING_KNOWN));
  const editedForms = recorder.userEdits(namespace).map(lastKnownFrom);
  /** A form that a user wrote, with the rules that its policy adds for the known parts of the peer. */
  const completedEdits = once(() => editedForms.flatMap(formsWith));
  const held = (combinations[0] && compiledWith(combinations[0], atStart)?.unresolved) ?? [];
  for (const { peer, rules } of lastKnown) {
    const [object, direction, rule, label] = peer;
    const isForm = (form: LastKnown) => formKey(form.rules(...peer)) === formKey(rules);
    if (isForm(atStart)) continue;
    // The leader remembers the forms that it wrote for unresolved peers, also if a user changes the policies.
    const isRemembered =
      hasSameLeader &&
      held.some(
        (each) =>
          each.hasLastKnown && each.direction === direction && each.rule === rule && each.peer === label,
      );
    if (!isRemembered && (editedForms.some(isForm) || completedEdits().some(isForm))) continue;
    const isForgotten = rules.length === 0 || formsWithoutLastKnown().some(isForm);
    const isAbsent = (form: LastKnown) => form.rules(...peer).length === 0;
    // No form existed when the round began, or a user deleted it, and none exists now.
    if (isForgotten && (isAbsent(atStart) || (!isRemembered && editedForms.some(isAbsent)))) continue;
    if (intendedForms().some(isForm)) continue;
    const intended = intendedForms().map((form) => form.rules(...peer));
    if (isUnion(rules, intended)) continue;
    const fault = isForgotten
      ? 'lost its last known form'
      : `is kept as ${JSON.stringify(rules)}, which it never was`;
    return `peer ${label} of rule ${rule} in ${object} ${fault}`;
  }
  return undefined;
}

/**
 * True if the rules are those of several forms together. The planner writes the union of two forms on the way from one to
 * the other; a peer that becomes unresolved there keeps both, as neither may be cut.
 */
function isUnion(rules: readonly DirectionRule[], forms: readonly (readonly DirectionRule[])[]): boolean {
  const keys = new Set(rules.map(ruleKey));
  const parts = forms
    .map((form) => form.map(ruleKey))
    .filter((form) => form.length > 0 && form.every((key) => keys.has(key)));
  return new Set(parts.flat()).size === keys.size;
}

/** Computes a value on the first call only. */
function once<T>(compute: () => T): () => T {
  let value: { readonly of: T } | undefined;
  return () => (value ??= { of: compute() }).of;
}
