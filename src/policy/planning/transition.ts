/**
 * The transition policies of a plan: bridges, which carry the desired form of a policy beside its observed form, or all that
 * several policies allow their common pods; and covers, which keep pods open that no other policy isolates. Pure.
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
import { excess } from '../limits.ts';
import { withOwnerLabels } from '../ownership.ts';
import type { PolicyDelta } from './delta.ts';
import { activeRules, carriesRules, isCover, isolatesAll } from './effect.ts';
import { type Overlap, overlapsOf } from './overlaps.ts';
import {
  fingerprint,
  isolates,
  isProfileReference,
  ruleKey,
  specKey,
  withRules,
} from '../semantics/normalize.ts';
import { EVERYTHING, selectorKey } from '../semantics/selector.ts';

/** Most covers of one direction; more are needed only beside many foreign policies that select by several labels. */
const MAX_COVERS = 32;
/** Most bridges of overlaps in one direction; more are needed only by rules that select pods by many labels of different keys. */
export const MAX_OVERLAPS = 256;

/** The pods that other policies do not isolate can't be covered by few enough policies. */
export class PlanTooComplexError extends Error {
  override name = 'PlanTooComplexError';
}

/** A cover could open pods that policies isolate which are not known. */
export class IsolationUnknownError extends Error {
  override name = 'IsolationUnknown';
  readonly needsPerson: boolean;

  constructor({ message, needsPerson }: UnknownForCovers) {
    super(message);
    this.needsPerson = needsPerson;
  }
}

/** True for an error of a plan that stays until a person changes policies. */
export function needsPerson(error: unknown): boolean {
  return (
    error instanceof PlanTooComplexError || (error instanceof IsolationUnknownError && error.needsPerson)
  );
}

/** True for a cover that a plan created: pods that no other policy isolates are open under it. */
export function isTransitionalCover(policy: NetworkPolicy): boolean {
  return isTransition(policy) && isCover(policy.spec);
}

export function isTransition({ metadata }: NetworkPolicy): boolean {
  return metadata.labels?.[LABEL_ROLE] === 'transition';
}

/** All policies of the namespace before and after the plan, its deltas, and the observed own policies by name. */
export interface TransitionInput {
  readonly before: readonly NetworkPolicy[];
  readonly after: readonly NetworkPolicy[];
  readonly deltas: readonly PolicyDelta[];
  /** The deltas of the network engine's policies, which a bridge can't carry. */
  readonly companionDeltas: readonly PolicyDelta[];
  /** Policies of the engine's kind that are not the operator's, before and after: covers spare the pods that they isolate. */
  readonly beside: readonly NetworkPolicy[];
  readonly own: ReadonlyMap<string, NetworkPolicy>;
  readonly ownerOf: (policy: NetworkPolicy) => string | undefined;
  readonly unknown?: UnknownIsolation | undefined;
}

/** Policies that the plan does not know may isolate pods, so that bridges have to do what covers would. */
export interface UnknownIsolation {
  /** Why a cover could open pods, where policies of the network engine change that no bridge can carry; absent: it can't. */
  readonly forCovers?: UnknownForCovers | undefined;
}

export interface UnknownForCovers {
  readonly message: string;
  /** False if the policies are merely being read. */
  readonly needsPerson: boolean;
}

/** The transition policies that a plan creates first. */
export interface Transitions {
  readonly covers: readonly NetworkPolicy[];
  /** In the order in which they are created; they are deleted in the reverse one. */
  readonly bridges: readonly NetworkPolicy[];
}

/**
 * If two or more policies begin to allow something in a direction, pods that no policy isolates before would be cut between the
 * first write and the last. If two or more cease to, so would pods that no policy isolates after. Covers keep these pods open
 * meanwhile. Where others may isolate them, unknown to the plan, a cover would open them: bridges isolate them instead, each
 * with all that these policies allow its pods.
 */
export function transitionsFor(input: TransitionInput): Transitions {
  const covers = new Map<string, NetworkPolicy>();
  const overlaps: Bridge[] = [];
  for (const change of DIRECTIONS.flatMap((direction) => changesOf(direction, input))) {
    if (change.isBridged) overlaps.push(...bridgesOf(change, input));
    else for (const cover of coversOf(change, input)) covers.set(cover.metadata.name, cover);
  }
  const bySize = overlaps.toSorted((a, b) => b.size - a.size).map(({ policy }) => policy);
  const bridges = new Map(bySize.map((policy) => [policy.metadata.name, policy]));
  return {
    covers: [...covers.values()].filter(({ metadata }) => !input.own.has(metadata.name)),
    bridges: [...bridges.values()],
  };
}

/** Policies that begin, or that cease, to allow something in a direction: at least two. */
interface Change {
  readonly direction: PolicyType;
  /** The policies of the namespace before they begin, or after they have ceased. */
  readonly without: readonly NetworkPolicy[];
  readonly policies: readonly NetworkPolicy[];
  /** Has the owner of the transition policies. */
  readonly models: readonly NetworkPolicy[];
  readonly isBridged: boolean;
}

function changesOf(direction: PolicyType, input: TransitionInput): Change[] {
  const { before, after, deltas, companionDeltas, unknown } = input;
  // A policy that was changed by hand may have rules, and yet only isolate in this direction.
  const allows = (policy: NetworkPolicy | undefined) =>
    policy !== undefined && isolates(policy.spec).includes(direction) && carriesRules(policy.spec);
  const beginning = ({ gains, desired }: PolicyDelta) =>
    gains && desired && allows(desired) ? [desired] : [];
  const ceasing = ({ loses, observed }: PolicyDelta) =>
    loses && observed && allows(observed) && !isTransitionalCover(observed) ? [observed] : [];
  const models = [...deltas, ...companionDeltas]
    .filter(({ observed, desired }) => allows(observed) || allows(desired))
    .flatMap(({ observed, desired }) => desired ?? observed ?? []);
  return [
    { without: before, changing: beginning },
    { without: after, changing: ceasing },
  ].flatMap(({ without, changing }) => {
    const companions = companionDeltas.flatMap(changing);
    const policies = [...deltas.flatMap(changing), ...companions];
    const isBridged = unknown !== undefined && companions.length === 0;
    return policies.length > 1 ? [{ direction, without, policies, models, isBridged }] : [];
  });
}

function coversOf(
  { direction, without, models }: Change,
  { beside, ownerOf, unknown }: TransitionInput,
): NetworkPolicy[] {
  const selectors = uncovered([...without, ...beside], direction);
  const owner = models.find(isOfProfile) ?? models[0];
  if (owner === undefined || selectors.length === 0) return [];
  if (unknown?.forCovers !== undefined) throw new IsolationUnknownError(unknown.forCovers);
  return selectors.map((podSelector) =>
    transitional(
      ownedByProfile(owner, ownerOf),
      `allow all ${direction} ${selectorKey(podSelector)}`,
      withRules({ podSelector, policyTypes: [direction] }, direction, [{}]),
    ),
  );
}

interface Bridge {
  /** The number of policies that it stands for. */
  readonly size: number;
  readonly policy: NetworkPolicy;
}

/** A bridge for each overlap, with all that its policies allow in the direction. */
function bridgesOf({ direction, without, policies }: Change, input: TransitionInput): Bridge[] {
  if (without.some(({ spec }) => isolatesAll(spec, direction))) return [];
  const overlaps = overlapsOf(policies, ({ spec }) => spec.podSelector ?? EVERYTHING, MAX_OVERLAPS);
  if (overlaps === undefined)
    throw new PlanTooComplexError(
      `the ${direction} rules select pods by so many label combinations that they cannot be switched without cutting some; ` +
        'use fewer label keys in their podSelectors, or divide the profile in two',
    );
  return overlaps.map((overlap) => ({
    size: overlap.policies.size,
    policy: bridgeOver(overlap, direction, input),
  }));
}

function bridgeOver(
  { selector, policies }: Overlap<NetworkPolicy>,
  direction: PolicyType,
  { ownerOf }: TransitionInput,
): NetworkPolicy {
  const rules = [...policies].flatMap(({ spec }) => activeRules(spec, direction));
  const distinct = [...new Map(rules.map((rule) => [ruleKey(rule), rule])).values()];
  const spec = withRules({ podSelector: selector, policyTypes: [direction] }, direction, distinct);
  const [first, ...more] = policies;
  const owner = [first, ...more].find((each) => each !== undefined && isOfProfile(each)) ?? first;
  if (owner === undefined) throw new Error('an overlap has no policies');
  const bridge = transitional(ownedByProfile(owner, ownerOf), `rules ${specKey(spec)}`, spec);
  const tooLarge = excess(bridge);
  if (tooLarge !== undefined) throw new PlanTooComplexError(tooLarge);
  return bridge;
}

function isOfProfile({ metadata }: NetworkPolicy): boolean {
  return metadata.ownerReferences?.some(isProfileReference) ?? false;
}

/**
 * With the label of the profile, which somebody may have removed, and without the owners that may go in the middle of a plan, as
 * exceptions do: the garbage collector would delete the cover.
 */
function ownedByProfile(owner: NetworkPolicy, ownerOf: TransitionInput['ownerOf']): NetworkPolicy {
  const { metadata, ...policy } = withOwnerLabels(owner, ownerOf(owner));
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

/** A transition policy with the namespace, profile and ownerReferences of `owner`, which has the label of its profile. */
function transitional(owner: NetworkPolicy, purpose: string, spec: NetworkPolicySpec): NetworkPolicy {
  const { namespace, labels, ownerReferences } = owner.metadata;
  const profile = labels?.[LABEL_PROFILE] ?? '';
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
