/** Reads back from live objects what a peer that can't be resolved now was resolved to before (invariant I3). Pure. */
import {
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  MANAGER,
  policyName,
} from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { LastKnown } from '../compile.ts';
import { isProfileReference, rulesOf } from '../semantics/normalize.ts';
import { notesOf } from '../notes.ts';

export function lastKnownFrom(observed: readonly NetworkPolicy[]): LastKnown {
  // By the names that the objects were made with: one may stand under an alternative name.
  const byName = new Map(observed.map((policy) => [originalName(policy), policy]));
  return (object, direction, rule, peer) => {
    const policy = byName.get(object);
    if (policy === undefined) return [];
    const notes = notesOf(policy);
    // A rule without peers means everyone: it stands for no peer but `entity: Any`, which is always resolved.
    return rulesOf(policy.spec, direction).filter(
      (each, index) => notes[index]?.rule === rule && notes[index]?.peer === peer && each.peers !== undefined,
    );
  };
}

/** The name that the object was made for; undefined for somebody else's, and for short-lived ones. */
function originalName({ metadata }: NetworkPolicy): string | undefined {
  const { name, labels = {}, ownerReferences = [] } = metadata;
  const { [LABEL_MANAGED_BY]: manager, [LABEL_PROFILE]: profile, [LABEL_ROLE]: role } = labels;
  if (manager === MANAGER && profile !== undefined && (role === 'ingress' || role === 'egress')) {
    return policyName(profile, role, labels[LABEL_RULE]);
  }
  // Its labels were taken off or changed; they are put back, with the rules that it carries.
  const owner = ownerReferences.find(isProfileReference);
  return owner !== undefined && name.startsWith(`${owner.name}.`) ? name : undefined;
}
