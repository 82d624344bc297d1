/** Reads the last known form of an unresolved peer back from observed policies (invariant I3). Pure. */
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

/** The last known rules that `observed`, policies of one namespace, carry for a peer. */
export function lastKnownFrom(observed: readonly NetworkPolicy[]): LastKnown {
  // By the names that the policies were compiled with: a policy may exist under an alternative name.
  const byName = new Map(observed.map((policy) => [compiledName(policy), policy]));
  return (object, direction, rule, peer) => {
    const policy = byName.get(object);
    if (policy === undefined) return [];
    const notes = notesOf(policy);
    // A rule without peers allows everyone. Only `entity: Any` compiles to it, and that is never unresolved.
    return rulesOf(policy.spec, direction).filter(
      (each, index) => notes[index]?.rule === rule && notes[index]?.peer === peer && each.peers !== undefined,
    );
  };
}

/** The name that the policy was compiled with; undefined for foreign and transition policies. */
function compiledName({ metadata }: NetworkPolicy): string | undefined {
  const { name, labels = {}, ownerReferences = [] } = metadata;
  const { [LABEL_MANAGED_BY]: manager, [LABEL_PROFILE]: profile, [LABEL_ROLE]: role } = labels;
  if (manager === MANAGER && profile !== undefined && (role === 'ingress' || role === 'egress')) {
    return policyName(profile, role, labels[LABEL_RULE]);
  }
  // Somebody removed or changed the labels. The owner and the name still tell.
  const owner = ownerReferences.find(isProfileReference)?.name;
  if (owner === undefined) return undefined;
  const [first = '', named, ...rule] = name.split('.');
  // Releases before v0.2.0 did not shorten names.
  if (first === owner && (named === 'ingress' || named === 'egress'))
    return policyName(owner, named, rule.length > 0 ? rule.join('.') : undefined);
  return owner.startsWith(first) ? name : undefined;
}
