/** Reads the last known form of an unresolved peer back from observed policies (invariant I3). Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import {
  EXCEPTION_STAND_IN,
  exceptionPolicyName,
  LABEL_END,
  LABEL_EXCEPTION,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  MANAGER,
  policyName,
} from '../../api/names.ts';
import type { NetworkPolicy, NetworkPolicyPort, PolicyType } from '../../api/network-policy.ts';
import { notesOf } from '../notes.ts';
import { unique } from '../rules.ts';
import {
  type DirectionRule,
  isExceptionReference,
  isolates,
  isProfileReference,
  ruleKey,
  rulesOf,
} from '../semantics/normalize.ts';

/**
 * The peers that policies carried so far. A policy is named as it was compiled, also where it exists under an alternative name.
 */
export interface LastKnown {
  /** The rules for a peer that is unresolved now; empty if nothing is known. */
  rules(policy: string, direction: PolicyType, rule: string, peer: string): readonly DirectionRule[];
  /** The selected pods of a policy whose own end is unresolved now; undefined if nothing is known. */
  selection(policy: string, direction: PolicyType): Selection | undefined;
}

/** The pods that a policy selects, and the ports of its rules. */
export interface Selection {
  readonly podSelector: LabelSelector;
  readonly ports?: readonly NetworkPolicyPort[];
}

export const NOTHING_KNOWN: LastKnown = { rules: () => [], selection: () => undefined };

/** The last known forms that `observed`, policies of one namespace, carry. */
export function lastKnownFrom(observed: readonly NetworkPolicy[]): LastKnown {
  // By the names that the policies were compiled with: a policy may exist under an alternative name.
  const byName = new Map(observed.map((policy) => [compiledName(policy), policy]));
  return {
    rules(name, direction, rule, peer) {
      const own = byName.get(name);
      const found = own === undefined ? [] : rulesFor(own, direction, rule, peer);
      if (found.length > 0) return found;
      // The rule may have been for other pods, and so in another policy.
      const others = observed.filter((each) => each !== own && mayHaveBecome(name, each, direction, rule));
      return unique(
        others.flatMap((each) => rulesFor(each, direction, rule, peer)),
        ruleKey,
      );
    },
    selection(name, direction) {
      const { podSelector, ...spec } = byName.get(name)?.spec ?? {};
      if (podSelector === undefined) return undefined;
      const ports = rulesOf(spec, direction)[0]?.ports;
      return { podSelector, ...(ports && { ports }) };
    },
  };
}

/** The rules that stand for a peer in one policy. */
function rulesFor(
  policy: NetworkPolicy,
  direction: PolicyType,
  rule: string,
  peer: string,
): readonly DirectionRule[] {
  const notes = notesOf(policy);
  // A rule without peers allows everyone. Only `entity: Any` compiles to it, and that is never unresolved.
  return rulesOf(policy.spec, direction).filter(
    (each, index) => notes[index]?.rule === rule && notes[index]?.peer === peer && each.peers !== undefined,
  );
}

/** True if the rule of the policy's profile or exception has a policy of this name, once it is for other pods or ends. */
function mayHaveBecome(
  name: string,
  { metadata: { labels = {} } }: NetworkPolicy,
  direction: PolicyType,
  rule: string,
): boolean {
  const { [LABEL_MANAGED_BY]: manager, [LABEL_PROFILE]: profile, [LABEL_ROLE]: role } = labels;
  if (manager !== MANAGER || profile === undefined || role === 'transition') return false;
  const exception = labels[LABEL_EXCEPTION];
  const nameOf = (...own: readonly [rule?: string]) => {
    const named = direction === 'Ingress' ? 'ingress' : 'egress';
    return exception === undefined
      ? policyName(profile, named, ...own)
      : exceptionPolicyName(profile, exception, policyName(EXCEPTION_STAND_IN, named, ...own));
  };
  return name === nameOf() || name === nameOf(rule) || name.startsWith(`${nameOf(rule)}.`);
}

/** The name that the policy was compiled with; undefined for foreign and transition policies. */
function compiledName({ metadata, spec }: NetworkPolicy): string | undefined {
  const { name, labels = {}, ownerReferences = [] } = metadata;
  const { [LABEL_MANAGED_BY]: manager, [LABEL_PROFILE]: profile, [LABEL_ROLE]: role } = labels;
  if (manager === MANAGER && profile !== undefined && (role === 'ingress' || role === 'egress')) {
    return policyName(profile, role, labels[LABEL_RULE], labels[LABEL_END]);
  }
  const exception = labels[LABEL_EXCEPTION];
  if (manager === MANAGER && profile !== undefined && exception !== undefined) {
    const direction = isolates(spec)[0] === 'Ingress' ? 'ingress' : 'egress';
    const compiled = policyName(EXCEPTION_STAND_IN, direction, labels[LABEL_RULE], labels[LABEL_END]);
    return exceptionPolicyName(profile, exception, compiled);
  }
  // Somebody removed or changed the labels. The owner and the name still tell.
  if (ownerReferences.some(isExceptionReference)) return name;
  const owner = ownerReferences.find(isProfileReference)?.name;
  if (owner === undefined) return undefined;
  const [first = '', named, ...rule] = name.split('.');
  // Releases before v0.2.0 did not shorten names.
  if (first === owner && (named === 'ingress' || named === 'egress'))
    return policyName(owner, named, rule.length > 0 ? rule.join('.') : undefined);
  return owner.startsWith(first) ? name : undefined;
}
