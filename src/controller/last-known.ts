/** Reads back from live objects what a peer that can't be resolved now was resolved to before (invariant I3). Pure. */
import { alternativeName, ANNOTATION_RULES, LABEL_PROFILE } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { LastKnown, RuleNote } from '../policy/compile.ts';
import { rulesOf } from '../policy/normalize.ts';

export function lastKnownFrom(observed: readonly NetworkPolicy[]): LastKnown {
  const byName = new Map(observed.map((policy) => [policy.metadata.name, policy]));
  return (object, direction, rule, peer) => {
    const profile = object.slice(0, object.indexOf('.'));
    const policy = [byName.get(object), byName.get(alternativeName(profile, object))].find(
      (each) => each?.metadata.labels?.[LABEL_PROFILE] === profile,
    );
    if (policy === undefined) return [];
    const notes = notesOf(policy);
    // A rule without peers means everyone: it stands for no peer but `entity: Any`, which is always resolved.
    return rulesOf(policy.spec, direction).filter(
      (each, index) => notes[index]?.rule === rule && notes[index]?.peer === peer && each.peers !== undefined,
    );
  };
}

/** The notes on a policy; none where somebody else has written something that can't be read. */
function notesOf({ metadata }: NetworkPolicy): readonly (RuleNote | undefined)[] {
  try {
    const notes: unknown = JSON.parse(metadata.annotations?.[ANNOTATION_RULES] ?? '[]');
    return Array.isArray(notes) ? (notes as (RuleNote | undefined)[]) : [];
  } catch {
    return [];
  }
}
