// What a profile keeps of peers that can't be resolved now (I3), compared with what was known of them: it must be a form
// that each had, and none may be lost that nobody took away.
import type { NetworkPolicy, PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import type { Compiled, LastKnown } from '../../../src/policy/compile.ts';
import type { DirectionRule } from '../../../src/policy/semantics/normalize.ts';
import { type Combination, intentOf } from '../schedule/inputs.ts';
import type { Recorder } from './recorder.ts';

/** A peer of a rule in one object of the profile. */
type Peer = readonly [object: string, direction: PolicyType, rule: string, peer: string];

/** A peer that can't be resolved, and the rules that stand for it; none: nothing is known of it. */
interface Kept {
  readonly peer: Peer;
  readonly rules: readonly DirectionRule[];
}

/** What a profile asks for, with unresolved peers in the form in which they stand; undefined where it enforces nothing. */
export function intentAsEnforced(
  profile: SegmentationProfile | undefined,
  namespace: string,
  combination: Combination,
  now: readonly NetworkPolicy[],
): { readonly intent: Compiled | undefined; readonly kept: readonly Kept[] } {
  const kept: Kept[] = [];
  const standing = lastKnownFrom(now);
  const recording: LastKnown = (...peer) => {
    const rules = standing(...peer);
    kept.push({ peer, rules });
    return rules;
  };
  return { intent: intentOf(profile, namespace, combination, recording), kept };
}

/** What is wrong with what is kept, in words; undefined if nothing is. */
export function wrongLastKnown(
  kept: readonly Kept[],
  index: number,
  namespace: string,
  recorder: Recorder,
): string | undefined {
  const { inputs, before, remembers } = recorder;
  const first = lastKnownFrom(before.get(namespace) ?? []);
  let forms: readonly LastKnown[] | undefined;
  /** What the profile asked for at any time since the round began. */
  const asked = () =>
    (forms ??= inputs
      .combinations(namespace)
      .map((each) => intentOf(each.profiles[index]?.profile, namespace, each, first)?.policies ?? [])
      .map(lastKnownFrom));
  const userEdits = recorder.userEdits(namespace).map(lastKnownFrom);
  const atFirst = inputs.combinations(namespace)[0];
  const held =
    (atFirst && intentOf(atFirst.profiles[index]?.profile, namespace, atFirst, first)?.unresolved) ?? [];
  for (const { peer, rules } of kept) {
    const [object, direction, rule, label] = peer;
    const isForm = (form: LastKnown) => JSON.stringify(form(...peer)) === JSON.stringify(rules);
    if (isForm(first)) continue;
    // Whoever wrote it while it could not be resolved remembers it, whatever somebody's hand makes of it.
    const isRemembered =
      remembers &&
      held.some(
        (each) => each.held && each.direction === direction && each.rule === rule && each.peer === label,
      );
    if (!isRemembered && userEdits.some(isForm)) continue;
    // Nothing was known of it, and nothing has to be by now.
    if (rules.length === 0 && first(...peer).length === 0) continue;
    if (asked().some(isForm)) continue;
    const stands =
      rules.length === 0 ? 'is forgotten' : `is kept as ${JSON.stringify(rules)}, which it never was`;
    return `peer ${label} of ${rule} in ${object} ${stands}`;
  }
  return undefined;
}
