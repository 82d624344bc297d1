/**
 * The transition policies of a plan: bridges, which carry the desired form of a policy beside its observed form, and
 * covers, which keep pods open that no other policy isolates. Pure.
 */
import type { LabelSelector } from '../../api/meta.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER, transitionName } from '../../api/names.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicySpec,
  type PolicyType,
} from '../../api/network-policy.ts';
import { complement } from '../semantics/selector-complement.ts';
import type { PolicyDelta } from './delta.ts';
import { carriesRules, isCover } from './effect.ts';
import { fingerprint, isolates, isProfileReference, withRules } from '../semantics/normalize.ts';
import { EVERYTHING, selectorKey } from '../semantics/selector.ts';

/** Most covers of one direction; more are needed only beside many foreign policies that select by several labels. */
const MAX_COVERS = 32;

/** The pods that other policies do not isolate can't be covered by few enough policies. */
export class PlanTooComplexError extends Error {
  override name = 'PlanTooComplexError';
}

/** True for a cover that a plan created: pods that no other policy isolates are open under it. */
export function isTransitionalCover(policy: NetworkPolicy): boolean {
  return isTransition(policy) && isCover(policy.spec);
}

export function isTransition({ metadata }: NetworkPolicy): boolean {
  return metadata.labels?.[LABEL_ROLE] === 'transition';
}

/** All policies of the namespace before and after the plan, its deltas, and the observed own policies by name. */
interface CoverInput {
  readonly before: readonly NetworkPolicy[];
  readonly after: readonly NetworkPolicy[];
  readonly deltas: readonly PolicyDelta[];
  readonly own: ReadonlyMap<string, NetworkPolicy>;
}

/**
 * The covers that a plan creates. If two or more policies begin to allow something in a direction, pods that no policy
 * isolates before would be cut between the first write and the last. If two or more cease to, so would pods that no
 * policy isolates after.
 */
export function coversFor({ before, after, deltas, own }: CoverInput): NetworkPolicy[] {
  const covers = DIRECTIONS.flatMap((direction) => {
    // A policy that was changed by hand may have rules, and yet only isolate in this direction.
    const allows = (policy: NetworkPolicy | undefined) =>
      policy !== undefined && isolates(policy.spec).includes(direction) && carriesRules(policy.spec);
    const beginning = deltas.filter(({ gains, desired }) => gains && allows(desired)).length;
    const ceasing = deltas.filter(
      ({ loses, observed }) => loses && observed && allows(observed) && !isTransitionalCover(observed),
    ).length;
    const selectors = [
      ...(beginning > 1 ? uncovered(before, direction) : []),
      ...(ceasing > 1 ? uncovered(after, direction) : []),
    ];
    const models = deltas
      .filter(({ observed, desired }) => allows(observed) || allows(desired))
      .flatMap(({ observed, desired }) => desired ?? observed ?? []);
    const owner = models.find(isOfProfile) ?? models[0];
    if (owner === undefined) return [];
    const distinct = new Map(selectors.map((selector) => [selectorKey(selector), selector]));
    return [...distinct].map(([key, podSelector]) =>
      transitional(
        ownedByProfile(owner),
        `allow all ${direction} ${key}`,
        withRules({ podSelector, policyTypes: [direction] }, direction, [{}]),
      ),
    );
  });
  return covers.filter(({ metadata }) => !own.has(metadata.name));
}

function isOfProfile({ metadata }: NetworkPolicy): boolean {
  return metadata.ownerReferences?.some(isProfileReference) ?? false;
}

/** Without the owners that may go in the middle of a plan, as exceptions do: the garbage collector would delete the cover. */
function ownedByProfile({ metadata, ...policy }: NetworkPolicy): NetworkPolicy {
  const { ownerReferences, ...rest } = metadata;
  const profiles = ownerReferences?.filter(isProfileReference) ?? [];
  return { ...policy, metadata: { ...rest, ...(profiles.length > 0 && { ownerReferences: profiles }) } };
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

/** The policy that carries the desired form of a policy until its observed form is updated. */
export function bridgeFor(desired: NetworkPolicy): NetworkPolicy {
  return transitional(desired, `form ${fingerprint(desired)} of ${desired.metadata.name}`, desired.spec);
}

/** A transition policy with the namespace, profile and ownerReferences of `owner`. */
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
