/** The desired policies of a namespace, of all profiles together. Pure. */
import { LABEL_ROLE } from '../../api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import { withoutDirections, withRole } from '../../policy/directions.ts';
import { carriesRules, isolatesAll } from '../../policy/planning/effect.ts';
import { isTransition, isTransitionalCover } from '../../policy/planning/transition.ts';
import { disowned, exceptionNameOf, keptForm, withOwnerLabels } from '../../policy/ownership.ts';
import { isolates } from '../../policy/semantics/normalize.ts';
import type { ProfileIntent } from './gather.ts';
import { asNetworkPolicy, type ExtensionPolicy } from '../../policy/extensions.ts';
import type { DesiredExtensions } from '../engine-support.ts';
import type { DesiredOverlay } from '../mesh-support.ts';
import { asksForOverlay } from '../../policy/mesh.ts';
import type { Postponed } from './postponed.ts';

export interface DesiredContext {
  /** All policies of the namespace, own and foreign ones. */
  readonly observed: readonly NetworkPolicy[];
  readonly ownerOf: (policy: NetworkPolicy) => string | undefined;
  /** True if an admission gate may still look for the profile's default-deny, and would refuse Pods without it. */
  readonly isGated: (profile: string) => boolean;
}

/** The desired policies, and what an admission gate holds back of their changes. */
export interface DesiredPolicies {
  readonly policies: readonly NetworkPolicy[];
  /** The profiles of which observed policies stay, unwanted, because a gate may still look for a default-deny. */
  readonly gated: ReadonlySet<string>;
  /** The directions that open once gates have ended. */
  readonly delayed: readonly PolicyType[];
}

/**
 * The policies that each profile wants, without the directions that are postponed. The observed policies of a stalled or
 * held profile stay as they are, but for those of exceptions: they end, and begin beside the policies of a held profile.
 * In delayed directions, all observed policies with rules stay.
 *
 * @param postponed by profile
 */
export function desiredOf(
  intents: readonly ProfileIntent[],
  postponed: ReadonlyMap<string, Postponed>,
  context: DesiredContext,
): DesiredPolicies {
  const { observed, ownerOf, isGated } = context;
  const wanted = intents.map((intent) => ({
    intent,
    policies: desiredOfProfile(intent, postponed, context),
  }));
  const desired = wanted.flatMap(({ policies }) => policies);
  const delayed = delayedOpenings(wanted, context);
  const staying = stayingPolicies(desired, delayed, context);
  const unwanting = intents
    .filter((intent) => withoutPostponed(intent, postponed.get(intent.profile.metadata.name)).length === 0)
    .map(({ profile }) => profile.metadata.name)
    .filter((name) => isGated(name) && observed.some((each) => ownerOf(each) === name));
  return {
    policies: [...desired, ...staying],
    gated: new Set([...unwanting, ...staying.flatMap((each) => ownerOf(each) ?? [])]),
    delayed,
  };
}

/** The policies that a profile wants. */
interface WantedPolicies {
  readonly intent: ProfileIntent;
  readonly policies: readonly NetworkPolicy[];
}

function desiredOfProfile(
  intent: ProfileIntent,
  postponed: ReadonlyMap<string, Postponed>,
  { observed, ownerOf, isGated }: DesiredContext,
): readonly NetworkPolicy[] {
  const { name, deletionTimestamp } = intent.profile.metadata;
  const waiting = postponed.get(name);
  const observedOwn = () =>
    observed.filter((each) => ownerOf(each) === name).map((each) => keptForm(each, intent.profile));
  const own = () => observedOwn().filter((each) => !isOfException(each) || isWanted(each, intent));
  // A profile that is deleted now has `deletionPolicy: Retain`: the garbage collector must not find its policies.
  const left = (policies: readonly NetworkPolicy[]) =>
    deletionTimestamp === undefined ? policies : policies.map((each) => disowned(each, name));
  if (intent.relation === 'held')
    return [...left(observedOwn().filter((each) => !isOfException(each))), ...(intent.added?.policies ?? [])];
  if (waiting?.failure.kind === 'stalled') return left(own());
  const wanted = withoutPostponed(intent, waiting);
  // A gate that looks for the default-deny would refuse Pods without it: the gate goes first. Until then the flows of
  // exceptions stay open too, where the profile leaves: they will be open without it.
  if (wanted.length === 0 && isGated(name)) return intent.relation === 'enforce' ? own() : observedOwn();
  // A default-deny that a gate has found keeps its role while an edit that adds a direction is postponed.
  return waiting === undefined || !own().some((each) => roleOf(each) === 'default-deny')
    ? wanted
    : wanted.map((each) => (roleOf(each) === 'partial-deny' ? withRole(each, 'default-deny') : each));
}

/**
 * The directions that open once admission gates have ended. Until then, the policies of a profile that leaves stay, and isolate
 * pods that no other policy will isolate. So policies that the other profiles no longer want stay in these directions too: their
 * flows would be cut now, and pass again later (I2).
 */
function delayedOpenings(
  wanted: readonly WantedPolicies[],
  { observed, ownerOf, isGated }: DesiredContext,
): PolicyType[] {
  const isLeaving = ({ intent: { relation, profile } }: WantedPolicies) =>
    (relation === 'none' || relation === 'audit') && isGated(profile.metadata.name);
  const leaving = new Set(wanted.filter(isLeaving).map(({ intent }) => intent.profile.metadata.name));
  const left = observed.filter((each) => leaving.has(ownerOf(each) ?? ''));
  if (left.length === 0) return [];
  const others = [
    ...observed.filter((each) => ownerOf(each) === undefined),
    ...wanted
      .filter(({ intent }) => !leaving.has(intent.profile.metadata.name))
      .flatMap(({ policies }) => policies),
  ].filter((each) => !isTransitionalCover(each));
  return DIRECTIONS.filter(
    (direction) =>
      left.some(({ spec }) => isolates(spec).includes(direction)) &&
      !others.some(({ spec }) => isolatesAll(spec, direction)),
  );
}

/** The observed policies with rules of the directions that nobody wants, covers included. */
function stayingPolicies(
  desired: readonly NetworkPolicy[],
  directions: readonly PolicyType[],
  { observed, ownerOf }: DesiredContext,
): NetworkPolicy[] {
  if (directions.length === 0) return [];
  const names = new Set(desired.map(({ metadata }) => metadata.name));
  return observed.filter(
    (each) =>
      ownerOf(each) !== undefined &&
      !names.has(each.metadata.name) &&
      carriesRules(each.spec) &&
      isolates(each.spec).some((direction) => directions.includes(direction)),
  );
}

/**
 * The extensions beside the desired policies: they stand only in directions that are isolated. Where the observed policies of a
 * profile stay as they are, so do its extensions.
 *
 * @param postponed by profile
 */
export function desiredExtensions(
  intents: readonly ProfileIntent[],
  postponed: ReadonlyMap<string, Postponed>,
  isGated: (profile: string) => boolean,
): DesiredExtensions {
  const kept = keptProfiles(intents, postponed, isGated);
  const policies = intents.flatMap((intent) => {
    const { name } = intent.profile.metadata;
    if (kept.has(name)) return intent.added?.extensions ?? [];
    if (intent.relation !== 'enforce') return [];
    const waiting = postponed.get(name);
    return intent.compiled.extensions.filter(({ direction }) => !waiting?.directions.includes(direction));
  });
  return { policies, kept };
}

/**
 * The policies for ingress that an overlay of identities is made from, and the profiles that ask for one. Where the observed
 * policies of a profile stay as they are, its objects stay too, apart from those of exceptions. If it has none, the overlay that
 * another profile asks for allows what these policies allow.
 *
 * @param postponed by profile
 */
export function desiredOverlay(
  intents: readonly ProfileIntent[],
  postponed: ReadonlyMap<string, Postponed>,
  { observed, ownerOf, isGated }: DesiredContext,
): DesiredOverlay {
  const kept = keptProfiles(intents, postponed, isGated);
  const enforced = intents.filter(
    ({ relation, profile }) => relation === 'enforce' && !kept.has(profile.metadata.name),
  );
  const excepting = intents.filter(
    ({ relation, profile }) =>
      (relation === 'enforce' || relation === 'held') && kept.has(profile.metadata.name),
  );
  const excepted = excepting.flatMap(({ added }) => ingressOf(added?.policies, added?.extensions));
  const standing = enforced.flatMap((intent) => {
    const waiting = postponed.get(intent.profile.metadata.name);
    if (waiting?.directions.includes('Ingress')) return [];
    return ingressOf(withoutPostponed(intent, waiting), intent.compiled.extensions);
  });
  const exceptingNames = new Set(excepting.map(({ profile }) => profile.metadata.name));
  // Policies that a deleted profile leaves have no owner, like those of somebody else.
  const leaving = new Set(
    intents
      .filter(({ profile }) => profile.metadata.deletionTimestamp)
      .map(({ profile }) => profile.metadata.name),
  );
  const staying = observed.flatMap((each) => {
    const owner = ownerOf(each) ?? '';
    const isLeft =
      !kept.has(owner) || leaving.has(owner) || (exceptingNames.has(owner) && isOfException(each));
    // The objects of the overlay get the labels of these policies, and the fence refuses an object without them.
    return isLeft ? [] : [withOwnerLabels(each, owner)];
  });
  return {
    policies: [...standing, ...excepted, ...ingressOf(staying)],
    profiles: enforced.flatMap(({ profile }) => (asksForOverlay(profile.spec.mesh) ? [profile] : [])),
    kept,
    excepting: exceptingNames,
  };
}

/** The policies for ingress, and those that stand for extensions of ingress. */
function ingressOf(
  policies: readonly NetworkPolicy[] = [],
  extensions: readonly ExtensionPolicy[] = [],
): NetworkPolicy[] {
  return [
    ...policies.filter(({ spec }) => isolates(spec).includes('Ingress')),
    ...extensions.filter(({ direction }) => direction === 'Ingress').map(asNetworkPolicy),
  ];
}

/** The profiles whose observed policies stay as they are. */
function keptProfiles(
  intents: readonly ProfileIntent[],
  postponed: ReadonlyMap<string, Postponed>,
  isGated: (profile: string) => boolean,
): ReadonlySet<string> {
  const kept = intents.filter((intent) => {
    const { name } = intent.profile.metadata;
    const waiting = postponed.get(name);
    const isEmpty = withoutPostponed(intent, waiting).length === 0;
    return waiting?.failure.kind === 'stalled' || intent.relation === 'held' || (isEmpty && isGated(name));
  });
  return new Set(kept.map(({ profile }) => profile.metadata.name));
}

/** The policies of an intent, without the directions that are postponed. */
export function withoutPostponed(
  { relation, compiled }: ProfileIntent,
  postponed: Pick<Postponed, 'directions'> | undefined,
): readonly NetworkPolicy[] {
  if (relation !== 'enforce') return [];
  if (postponed === undefined) return compiled.policies;
  return withoutDirections(compiled.policies, postponed.directions);
}

/** The policy of an exception ends with the exception, also where the other policies stay as they are. */
function isOfException({ metadata }: NetworkPolicy): boolean {
  return exceptionNameOf(metadata) !== undefined;
}

/** True for a policy of an exception that goes on, and for a bridge, which has another name than the policy that it stands for. */
function isWanted(policy: NetworkPolicy, { added }: ProfileIntent): boolean {
  const { name } = policy.metadata;
  const exception = exceptionNameOf(policy.metadata);
  const isBridge = isTransition(policy);
  return (added?.policies ?? []).some(
    ({ metadata }) => metadata.name === name || (isBridge && exceptionNameOf(metadata) === exception),
  );
}

function roleOf({ metadata }: NetworkPolicy): string | undefined {
  return metadata.labels?.[LABEL_ROLE];
}
