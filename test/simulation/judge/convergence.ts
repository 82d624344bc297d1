/**
 * The judge of a converged cluster (I3 and I8). It reads the model only: the policies of each namespace are those that
 * the profiles ask for, and the status of each profile says so.
 */
import { asksForOverlay } from '../../../src/policy/mesh.ts';
import { LABEL_PROFILE } from '../../../src/api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import type { Compiled } from '../../../src/policy/compile.ts';
import { fingerprint, isolates, isProfileReference } from '../../../src/policy/semantics/normalize.ts';
import { isolatesAll } from '../../../src/policy/planning/effect.ts';
import { withFreeNames } from '../../../src/policy/planning/free-names.ts';
import { isTransitionalCover } from '../../../src/policy/planning/transition.ts';
import { type ProfileForm, selects } from '../schedule/combination.ts';
import { exceptionsInForce, isOfException } from '../schedule/exception-policies.ts';
import { hasUnresolved, intentOf, neverKnown, withoutDirections } from '../schedule/inputs.ts';
import { intentAsEnforced, type ProfileInNamespace, wrongLastKnown } from './last-known.ts';
import { NAMESPACES, PROFILES } from '../schedule/actions.ts';
import { POD } from '../server/kinds.ts';
import type { Storage } from '../server/storage.ts';
import { hasStablePods } from '../schedule/users.ts';
import { rolloutStanding, unmetInExceptions } from './features.ts';
import type { Recorder } from './recorder.ts';

/** The counts that a profile's status has to report. */
interface ProfileCounts {
  /** Namespaces in which a direction is postponed. */
  postponed: number;
  desired: number;
  applied: number;
}

export interface Convergence {
  /** The first expectation that is not met yet, in words; undefined if the cluster has converged. */
  readonly unmet: string | undefined;
  /**
   * A direction is postponed in a namespace whose pods are gone. That is allowed, and the next reconcile of the namespace
   * will isolate it, so that a write may still follow.
   */
  readonly isOutdated: boolean;
}

/** Collects counts and postponements while the namespaces are compared. */
interface Tally {
  readonly counts: ReadonlyMap<string, ProfileCounts>;
  /** Namespaces with a postponed direction. */
  readonly postponed: Set<string>;
  /** The postponed directions of the namespace that is compared, by profile. */
  readonly directions: Map<string, readonly PolicyType[]>;
}

/** Compares policies and status with the intent of the profiles. */
export function compareWithIntent(recorder: Recorder, storage: Storage): Convergence {
  const tally: Tally = {
    counts: new Map(PROFILES.map((name) => [name, { postponed: 0, desired: 0, applied: 0 }])),
    postponed: new Set(),
    directions: new Map(),
  };
  const unmet = unmetExpectation(recorder, tally);
  return { unmet, isOutdated: [...tally.postponed].some((namespace) => !hasPods(namespace, storage)) };
}

function hasPods(namespace: string, storage: Storage): boolean {
  return [...storage.values(POD)].some(({ metadata }) => metadata.namespace === namespace);
}

function unmetExpectation(recorder: Recorder, tally: Tally): string | undefined {
  for (const namespace of NAMESPACES) {
    const unmet = unmetInNamespace(namespace, recorder, tally);
    if (unmet !== undefined) return `${namespace}: ${unmet}`;
  }
  for (const [name, counts] of tally.counts) {
    const unmet = unmetInStatus(name, recorder, counts);
    if (unmet !== undefined) return `profile ${name}: ${unmet}`;
  }
  return undefined;
}

function unmetInNamespace(namespace: string, recorder: Recorder, tally: Tally): string | undefined {
  const { observed, inputs } = recorder;
  const policies = observed.policies(namespace);
  const { labels, profiles } = inputs.current(namespace);
  if (labels === undefined) return undefined;
  // A held profile keeps its cover: without it, the half of a plan that a crash left would cut flows.
  const held = PROFILES.filter((_, index) => profiles[index]?.isHeld);
  const cover = policies.find(
    (each) =>
      observed.operatorPolicies.has(each.metadata.uid ?? '') &&
      isTransitionalCover(each) &&
      !held.some((name) => name === observed.ownerOf(each)) &&
      !observed.leftHeld.has(`${namespace} ${each.metadata.labels?.[LABEL_PROFILE]}`),
  );
  if (cover !== undefined) return `the cover ${cover.metadata.name} is left`;
  tally.directions.clear();
  for (const [index, form] of profiles.entries()) {
    const unmet = unmetByProfile({ name: PROFILES[index] ?? '', index, namespace, recorder }, form, tally);
    if (unmet !== undefined) return unmet;
  }
  return (
    recorder.total?.completeness.unmet(namespace, tally.directions) ??
    recorder.total?.completeness.unmetOverlay(namespace, tally.directions) ??
    recorder.total?.completeness.unmetPassages(namespace) ??
    recorder.total?.completeness.unmetStaged(namespace) ??
    unmetInExceptions(namespace, recorder)
  );
}

function unmetByProfile(
  where: ProfileInNamespace,
  { profile, isHeld }: ProfileForm,
  { counts, postponed, directions: postponedOf }: Tally,
): string | undefined {
  const { name, namespace, recorder } = where;
  const { observed, inputs } = recorder;
  const policies = observed.policies(namespace);
  const own = policies.filter((each) => observed.ownerOf(each) === name);
  const combination = inputs.current(namespace);
  const opened = exceptionsInForce(combination, namespace, policies)
    .filter((each) => each.profile === name)
    .flatMap((each) => each.policies);
  const foreignNames = policies
    .filter((each) => observed.ownerOf(each) === undefined)
    .map(({ metadata }) => metadata.name);
  // The policies of a held profile stay as they are, but for those of exceptions.
  if (isHeld) {
    const excepted = own.filter(isOfException);
    return isSame(excepted, opened)
      ? undefined
      : `${name} has the policies ${textOf(excepted)} of exceptions, and should have ${textOf(opened)}`;
  }
  const { intent: compiled, lastKnown } = intentAsEnforced(profile, namespace, combination, policies);
  const intent = withTunnels(compiled, where);
  const desired = [...(intent?.policies ?? []), ...opened];
  const directions = postponedDirections(where, desired, own, new Set(foreignNames));
  if (directions === undefined)
    return `${name} has the policies ${textOf(own)}, and should have ${textOf(desired)}`;
  const lost = wrongLastKnown(lastKnown, where);
  if (lost !== undefined) return `${name}: ${lost}`;
  const early = DIRECTIONS.find((each) => !directions.includes(each) && isIsolatedTooEarly(each, where));
  if (early !== undefined) return `${name} isolates ${early}, though a peer was never resolved`;
  const count = counts.get(name)!;
  postponedOf.set(name, directions);
  if (directions.length > 0) {
    count.postponed += 1;
    postponed.add(namespace);
  }
  count.desired += desired.length;
  // A default-deny without the postponed directions does not count as applied.
  count.applied += desired.filter(
    ({ spec }) => !isolates(spec).some((each) => directions.includes(each)),
  ).length;
  return undefined;
}

/** The intent with the tunnel of a namespace in ambient mode. */
function withTunnels(
  intent: Compiled | undefined,
  { name, namespace, recorder }: ProfileInNamespace,
): Compiled | undefined {
  const own = recorder.total?.completeness.tunnels(namespace)?.get(name);
  if (intent === undefined || own === undefined) return intent;
  return {
    ...intent,
    policies: [...intent.policies, ...own.policies],
    unresolved: [...intent.unresolved, ...own.unresolved],
  };
}

/** The postponed directions with which the own policies equal the desired ones; undefined if there are none such. */
function postponedDirections(
  where: ProfileInNamespace,
  desired: readonly NetworkPolicy[],
  own: readonly NetworkPolicy[],
  foreignNames: ReadonlySet<string>,
): readonly PolicyType[] | undefined {
  const allowed = allowedPostponements(where);
  // A default-deny that was complete before an edit added a direction keeps its role.
  const roles = allowed.length > 1 ? ['partial-deny', 'default-deny'] : ['default-deny'];
  return allowed.find((each) =>
    roles.some((role) =>
      isSame(own, withFreeNames(withoutDirections(desired, each, role), foreignNames).named),
    ),
  );
}

/**
 * The sets of directions that a profile may postpone: those with a peer that was never resolved, and that no other policy
 * isolates for all pods.
 */
function allowedPostponements({
  name,
  index,
  namespace,
  recorder,
}: ProfileInNamespace): (readonly PolicyType[])[] {
  const { observed, inputs } = recorder;
  const policies = observed.policies(namespace);
  const combination = inputs.current(namespace);
  const { profile } = combination.profiles[index] ?? {};
  const compiled = intentOf(profile, namespace, combination, lastKnownFrom(policies));
  const intent = withTunnels(compiled, { name, index, namespace, recorder });
  if (intent === undefined) return [[]];
  const others = policies.filter((each) => observed.ownerOf(each) !== name);
  const open = neverKnown(intent).filter(
    (direction) => !others.some(({ spec }) => isolatesAll(spec, direction)),
  );
  return [[], ...open.map((each) => [each]), ...(open.length > 1 ? [open] : [])];
}

/** True if a profile began to isolate pods that were open, though a peer was unresolved all the time. */
function isIsolatedTooEarly(
  direction: PolicyType,
  { name, index, namespace, recorder }: ProfileInNamespace,
): boolean {
  const { observed, inputs, policiesAtStart } = recorder;
  const policies = observed.policies(namespace);
  const old = policiesAtStart.get(namespace) ?? [];
  const isolatesEveryPod = (of: readonly NetworkPolicy[]) =>
    of.some(({ spec }) => isolatesAll(spec, direction));
  const isolatesSome = (of: readonly NetworkPolicy[]) =>
    of.some(({ spec }) => isolates(spec).includes(direction));
  const isOwn = (each: NetworkPolicy) => observed.ownerOf(each) === name;
  // Policies of any profile: pods that the policies of a leaving profile isolated must not become open.
  const isOfAnyProfile = (each: NetworkPolicy) => observed.ownerOf(each) !== undefined;
  if (!hasStablePods(namespace) || !isolatesSome(policies.filter(isOwn))) return false;
  if (isolatesSome(old.filter(isOfAnyProfile)) || isolatesEveryPod(old)) return false;
  if (isolatesEveryPod(policies.filter((each) => !isOwn(each))) || recorder.userEdits(namespace).length > 0)
    return false;
  return inputs.combinations(namespace).every((each) => {
    const [own, ...others] = [index, 1 - index].map((at) =>
      intentOf(each.profiles[at]?.profile, namespace, each, lastKnownFrom(old)),
    );
    if (own === undefined || !isolatesSome(own.policies)) return true;
    const isolatesNow = (other: Compiled | undefined) =>
      other !== undefined && isolatesEveryPod(other.policies) && !neverKnown(other).includes(direction);
    return neverKnown(own).includes(direction) && !others.some(isolatesNow);
  });
}

function unmetInStatus(name: string, recorder: Recorder, counts: ProfileCounts): string | undefined {
  const profile = recorder.observed.profile(name);
  const unguarded = recorder.total?.unmetGuard(name);
  if (unguarded !== undefined) return unguarded;
  if (profile === undefined) return ownedByDeleted(name, recorder);
  const { metadata, status } = profile;
  if (metadata.deletionTimestamp !== undefined) return 'it is still being deleted';
  if (status?.observedGeneration !== metadata.generation) return 'its status is of an older generation';
  const standing = rolloutStanding(profile, recorder);
  if (standing.kind === 'unmet') return standing.unmet;
  if (standing.kind === 'complete')
    return unmetInCounts(profile, recorder, counts) ?? unmetInConditions(profile, recorder);
  const ready = conditionOf(profile, 'Ready');
  return ready?.status === 'False' ? undefined : `its rollout has stopped, and Ready is ${ready?.status}`;
}

/** No policy may name a deleted profile as its owner: the garbage collector would delete a retained one. */
function ownedByDeleted(name: string, { observed }: Recorder): string | undefined {
  const owned = NAMESPACES.flatMap((namespace) => observed.policies(namespace)).find(({ metadata }) =>
    metadata.ownerReferences?.some((each) => isProfileReference(each) && each.name === name),
  );
  return owned && `it is deleted, and still the owner of ${owned.metadata.namespace}/${owned.metadata.name}`;
}

function unmetInCounts(
  profile: SegmentationProfile,
  recorder: Recorder,
  { postponed, desired, applied }: ProfileCounts,
): string | undefined {
  const { spec, status } = profile;
  const { namespaces, policies } = status?.namespaces ? status : {};
  const matched = matchedNamespaces(profile, recorder).length;
  if (namespaces?.matched !== matched)
    return `it matches ${matched} namespaces, and its status says ${namespaces?.matched}`;
  const isAudit = spec.mode === 'Audit';
  const enforced = isAudit ? 0 : matched - postponed;
  if (namespaces.enforced !== enforced)
    return `${enforced} namespaces are enforced, and its status says ${namespaces.enforced}`;
  if (namespaces.failed > 0)
    return `${namespaces.failed} namespaces failed: ${conditionOf(profile, 'Ready')?.message}`;
  if (!isAudit && (policies?.applied !== applied || policies.desired !== desired))
    return `it has ${applied} of ${desired} policies, and its status says ${policies?.applied} of ${policies?.desired}`;
  return undefined;
}

function unmetInConditions(profile: SegmentationProfile, recorder: Recorder): string | undefined {
  const { inputs } = recorder;
  const index = PROFILES.indexOf(profile.metadata.name);
  const isResolved = !matchedNamespaces(profile, recorder).some((namespace) => {
    const current = inputs.current(namespace);
    const tunnels = recorder.total?.completeness.tunnels(namespace)?.get(profile.metadata.name);
    return (
      hasUnresolved(current.profiles[index]?.profile ?? profile, namespace, current) ||
      (tunnels?.unresolved.length ?? 0) > 0
    );
  });
  const guard = conditionOf(profile, 'GuardReady');
  const mesh = conditionOf(profile, 'MeshReady');
  // Without an overlay the condition is for information.
  const overlay = asksForOverlay(profile.spec.mesh) ? mesh : undefined;
  const expected = recorder.total?.guardStatus(profile.metadata.name);
  if (guard?.reason === 'Progressing' || (expected !== undefined && guard?.status !== expected))
    return `GuardReady is ${guard?.status}, and should be ${expected}: ${guard?.message}`;
  if (mesh?.status !== 'False' && recorder.total?.completeness.lacksStrict(profile.metadata.name) === true)
    return `strict mutual TLS is missing, and MeshReady is ${mesh?.status}: ${mesh?.message}`;
  for (const type of ['PeersResolved', 'Ready']) {
    const condition = conditionOf(profile, type);
    const isMet =
      isResolved &&
      (type !== 'Ready' || [guard, overlay].every((each) => each === undefined || each.status === 'True'));
    if (condition?.status !== (isMet ? 'True' : 'False'))
      return `${type} is ${condition?.status}: ${condition?.message}`;
  }
  return undefined;
}

function matchedNamespaces(profile: SegmentationProfile, { observed }: Recorder): string[] {
  return [...observed.labels]
    .filter(([namespace, labels]) => NAMESPACES.includes(namespace) && selects(profile, namespace, labels))
    .map(([namespace]) => namespace);
}

function conditionOf({ status }: SegmentationProfile, type: string) {
  return status?.conditions?.find((each) => each.type === type);
}

function isSame(a: readonly NetworkPolicy[], b: readonly NetworkPolicy[]): boolean {
  const key = (policies: readonly NetworkPolicy[]) =>
    policies
      .map((each) => `${each.metadata.name} ${fingerprint(each)}`)
      .sort()
      .join();
  return key(a) === key(b);
}

function textOf(policies: readonly NetworkPolicy[]): string {
  return `[${policies.map(({ metadata, spec }) => `${metadata.name} ${JSON.stringify(spec)}`).join(', ')}]`;
}
