/**
 * The short-lived objects that a plan goes through: bridges, which hold the coming form of an object beside it, and
 * covers, which keep open the pods that no other policy isolates. Pure.
 */
import type { LabelSelector } from '../../api/meta.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER, transitionName } from '../../api/names.ts';
import type { NetworkPolicy, NetworkPolicySpec, PolicyType } from '../../api/network-policy.ts';
import { complement } from '../semantics/selector-complement.ts';
import type { Change } from './diff.ts';
import { carriesRules, isCover } from './effect.ts';
import { DIRECTIONS, fingerprint, isolates, isProfileReference, withRules } from '../semantics/normalize.ts';
import { EVERYTHING, selectorKey } from '../semantics/selector.ts';

/** Most allow-all objects that a transition may take; reached only with many multi-label foreign selectors. */
const MAX_COVERS = 32;

/** The cover of pods that other policies do not isolate would take too many objects. */
export class PlanTooComplexError extends Error {
  override name = 'PlanTooComplexError';
}

/** Whether a policy is a short-lived one that allows everything: what no other one isolates is open. */
export function isTransitionalCover(policy: NetworkPolicy): boolean {
  return isTransition(policy) && isCover(policy.spec);
}

export function isTransition({ metadata }: NetworkPolicy): boolean {
  return metadata.labels?.[LABEL_ROLE] === 'transition';
}

/**
 * The allow-all objects that the transition needs. In a direction where two or more objects begin to allow something,
 * pods that no policy isolates yet would be cut between the first and the last; where two or more cease to, so would
 * pods that no policy isolates in the end.
 */
export function coversFor(
  before: readonly NetworkPolicy[],
  after: readonly NetworkPolicy[],
  changes: readonly Change[],
  ours: ReadonlyMap<string, NetworkPolicy>,
): NetworkPolicy[] {
  const covers = DIRECTIONS.flatMap((direction) => {
    // Written among the objects with rules, though it may (changed by hand) only isolate in this direction.
    const allows = (policy: NetworkPolicy | undefined) =>
      policy !== undefined && isolates(policy.spec).includes(direction) && carriesRules(policy.spec);
    const beginning = changes.filter(({ gains, wanted }) => gains && allows(wanted)).length;
    const ceasing = changes.filter(
      ({ loses, old }) => loses && old && allows(old) && !isTransitionalCover(old),
    ).length;
    const selectors = [
      ...(beginning > 1 ? uncovered(before, direction) : []),
      ...(ceasing > 1 ? uncovered(after, direction) : []),
    ];
    const model = changes.find(({ old, wanted }) => allows(old) || allows(wanted));
    const owner = model?.wanted ?? model?.old;
    if (owner === undefined) return [];
    const distinct = new Map(selectors.map((selector) => [selectorKey(selector), selector]));
    return [...distinct].map(([key, podSelector]) =>
      transitional(
        owner,
        `allow all ${direction} ${key}`,
        withRules({ podSelector, policyTypes: [direction] }, direction, [{}]),
      ),
    );
  });
  return covers.filter(({ metadata }) => !ours.has(metadata.name));
}

/** Selectors that together match exactly the pods that none of `policies` isolates in `direction`. */
function uncovered(policies: readonly NetworkPolicy[], direction: PolicyType): readonly LabelSelector[] {
  const isolating = policies.filter(({ spec }) => isolates(spec).includes(direction));
  const selectors = complement(
    isolating.map(({ spec }) => spec.podSelector ?? EVERYTHING),
    MAX_COVERS,
  );
  if (selectors !== undefined) return selectors;
  throw new PlanTooComplexError(
    `other policies of the namespace isolate pods by so many label combinations that its ${direction} policies ` +
      'cannot be switched without cutting or opening some; give one of them an empty podSelector, or remove it',
  );
}

/** The object that holds the coming form of a policy while the old one still stands under its name. */
export function bridgeFor(wanted: NetworkPolicy): NetworkPolicy {
  return transitional(wanted, `form ${fingerprint(wanted)} of ${wanted.metadata.name}`, wanted.spec);
}

/** A short-lived object beside `owner`, with its namespace, profile and owner. */
function transitional(owner: NetworkPolicy, purpose: string, spec: NetworkPolicySpec): NetworkPolicy {
  const profile =
    owner.metadata.labels?.[LABEL_PROFILE] ??
    owner.metadata.ownerReferences?.find(isProfileReference)?.name ??
    '';
  const { namespace, ownerReferences } = owner.metadata;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: transitionName(profile, purpose),
      ...(namespace !== undefined && { namespace }),
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: profile, [LABEL_ROLE]: 'transition' },
      ...(ownerReferences && { ownerReferences }),
    },
    spec,
  };
}
