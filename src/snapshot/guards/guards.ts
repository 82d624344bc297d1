/** The guards of a snapshot's profiles, as the operator writes them, and the policies of others that they restrict. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import type { GuardMode, RestrictedPolicy, SegmentationProfile } from '../../api/profile.ts';
import { CALICO_GUARD } from '../../engines/calico/guard/carrier.ts';
import { CLUSTER_NETWORK_POLICY } from '../../engines/cluster-network-policy/carrier.ts';
import type { CompiledGuard, GuardCarrier, GuardTooLarge } from '../../engines/guards/carrier.ts';
import { GUARD_CARRIERS } from '../../engines/guards/carriers.ts';
import { freeGuardName, guardObject } from '../../engines/guards/objects.ts';
import { choosePriority, FIRST_PRIORITY, LAST_PRIORITY } from '../../engines/guards/priority.ts';
import { compileGuard, NOTHING_ADDED } from '../../policy/guard/compile.ts';
import type { Guard } from '../../policy/guard/guard.ts';
import { restrictedPolicies } from '../../policy/guard/restricted.ts';
import { exceptionNameOf } from '../../policy/ownership.ts';
import type { Snapshot } from '../snapshot.ts';

export interface SnapshotGuard {
  readonly profile: SegmentationProfile;
  readonly mode: GuardMode;
  readonly guard: Guard;
  readonly made: CompiledGuard | GuardTooLarge;
  /** The directions in which the guard denies something, once its peers are resolved. */
  readonly directions: ReadonlySet<PolicyType>;
  /** The foreign policies that the guard takes something from, or would. */
  readonly restricted: readonly RestrictedPolicy[];
  /** The object as `mode: Enforce` writes it; undefined if it does not fit, or would deny nothing. */
  readonly object: KubeObject | undefined;
}

/** The guard of each profile, also of those that ask for none: it is what they would get. In the order of the profiles. */
export function guardsOf(snapshot: Snapshot): SnapshotGuard[] {
  const carrier = carrierOf(snapshot);
  const guards = snapshot.profiles.map((profile) => ({ profile, guard: guardOf(profile, snapshot) }));
  const priorities = prioritiesOf(guards, snapshot, carrier);
  return guards.map(({ profile, guard }) => {
    const made = carrier.compile(guard);
    const directions = new Set(
      made.kind === 'compiled' ? (Object.keys(made.form.rules) as PolicyType[]) : [],
    );
    const mode = modeOf(profile);
    const priority = priorities.get(profile) ?? LAST_PRIORITY;
    const object =
      made.kind === 'compiled' && directions.size > 0
        ? objectOf(made, carrier, { profile, priority })
        : undefined;
    const { deniesAddressSources } = carrier;
    const restricted = restrictedPolicies(guard, foreignPolicies(profile, snapshot), {
      directions,
      deniesAddressSources,
    });
    return { profile, mode, guard, made, directions, restricted, object };
  });
}

/**
 * The kind of guards: that of the operator's configuration, of guards that are there or, beside Calico's tiers, Calico's own;
 * else ClusterNetworkPolicy.
 */
export function carrierOf(snapshot: Snapshot): GuardCarrier {
  const { guard, objects } = snapshot;
  const isOwn = (object: KubeObject) => snapshot.ownerOf(object) !== undefined;
  if (guard !== undefined)
    return GUARD_CARRIERS.find(({ kind }) => kind === guard.kind) ?? CLUSTER_NETWORK_POLICY;
  const present = GUARD_CARRIERS.find(({ kind }) => objects.of(kind).some(isOwn));
  return present ?? (objects.of('Tier').length > 0 ? CALICO_GUARD : CLUSTER_NETWORK_POLICY);
}

interface ProfileGuard {
  readonly profile: SegmentationProfile;
  readonly guard: Guard;
}

/**
 * The priorities of guards: those that they have in the cluster, or as the operator chooses them. Guards that no profile asks
 * for are last.
 */
function prioritiesOf(
  all: readonly ProfileGuard[],
  snapshot: Snapshot,
  carrier: GuardCarrier,
): ReadonlyMap<SegmentationProfile, number> {
  const { firstPriority: first = FIRST_PRIORITY, lastPriority: last = LAST_PRIORITY } = snapshot.guard ?? {};
  const objects = snapshot.objects.of(carrier.kind);
  const ownerOf = (object: KubeObject) => snapshot.ownerOf(object);
  const foreign = new Set(
    objects
      .filter((each) => ownerOf(each) === undefined)
      .flatMap((each) => carrier.rankOf(each)?.priority ?? []),
  );
  const found = new Map<ProfileGuard, number>();
  const isAsked = ({ profile }: ProfileGuard) => (profile.spec.guard?.mode ?? 'Disabled') !== 'Disabled';
  const inOrder = all.toSorted((a, b) => Number(isAsked(b)) - Number(isAsked(a)));
  for (const each of inOrder) {
    const own = objects.find((object) => ownerOf(object) === each.profile.metadata.name);
    const observed = own && carrier.read(own)?.priority;
    if (observed !== undefined) found.set(each, observed);
  }
  // A guard moves behind a narrower one that is placed after it, and never before it again.
  for (let isSettled = false, round = 0; !isSettled && round <= all.length; round++) {
    isSettled = true;
    for (const [index, each] of inOrder.entries()) {
      const others = [...found].filter(([other]) => other !== each);
      const guards = others.map(([other, priority]) => ({ priority, subject: other.guard.subject }));
      const place = { observed: found.get(each), subject: each.guard.subject };
      const priority = choosePriority(place, { guards, foreign }, { first, last }) ?? last + 1 + index;
      if (priority === found.get(each)) continue;
      found.set(each, priority);
      isSettled = false;
    }
  }
  return new Map([...found].map(([{ profile }, priority]) => [profile, priority]));
}

/**
 * The objects of the guards that are written; none without `guard` in the operator's configuration.
 *
 * @param asEnforced as if every profile were enforced
 */
export function writtenGuards(snapshot: Snapshot, asEnforced: boolean): KubeObject[] {
  if (snapshot.guard === undefined) return [];
  return guardsOf(snapshot).flatMap(({ profile, mode, object }) => {
    const isWritten = asEnforced ? profile.spec.guard?.mode === 'Enforce' : mode === 'Enforce';
    return isWritten && object !== undefined ? [object] : [];
  });
}

/** The objects of the guards in Audit, if the kind of guards can be staged. */
export function stagedGuards(snapshot: Snapshot): KubeObject[] {
  const { staging } = GUARD_CARRIERS.find(({ kind }) => kind === snapshot.guard?.kind) ?? {};
  if (staging === undefined) return [];
  return guardsOf(snapshot).flatMap(({ mode, object }) =>
    mode === 'Audit' && object !== undefined ? [staging.stage(object)] : [],
  );
}

/** Under `mode: Audit` of the profile, no guard is written. */
function modeOf({ spec }: SegmentationProfile): GuardMode {
  const mode = spec.guard?.mode ?? 'Disabled';
  return mode === 'Enforce' && spec.mode === 'Audit' ? 'Audit' : mode;
}

function guardOf(profile: SegmentationProfile, snapshot: Snapshot): Guard {
  const intents = snapshot.intents();
  const enforced = intents.filter(({ relation }) => relation === 'enforce').map((each) => each.profile);
  const others = snapshot.profiles.filter(({ spec }) => spec.mode === 'Enforce');
  const namespaces = new Set(selectedNamespaces(profile, snapshot));
  const policies = intents
    .filter(({ namespace }) => namespaces.has(namespace.name))
    .flatMap((intent) => intent.policies)
    .filter(({ metadata }) => exceptionNameOf(metadata) !== undefined);
  return compileGuard(profile, {
    profiles: [...new Set([profile, ...others, ...enforced])],
    namespaces: snapshot.namespaces.filter(({ name }) => namespaces.has(name)),
    protectedNamespaces: [...snapshot.protectedNamespaces],
    cluster: snapshot.facts,
    added: { ...NOTHING_ADDED, policies },
  });
}

function objectOf(
  { form }: CompiledGuard,
  carrier: GuardCarrier,
  { profile, priority }: { readonly profile: SegmentationProfile; readonly priority: number },
): KubeObject {
  const name = freeGuardName(profile.metadata.name, new Set(), carrier);
  const apiVersion = `${carrier.group}/${carrier.versions[0]}`;
  return guardObject(carrier.objectOf(form, priority), profile, { name, apiVersion, form });
}

function selectedNamespaces(profile: SegmentationProfile, snapshot: Snapshot): string[] {
  return snapshot
    .intents()
    .filter((intent) => intent.profile.metadata.name === profile.metadata.name)
    .map(({ namespace }) => namespace.name);
}

function foreignPolicies(profile: SegmentationProfile, snapshot: Snapshot): NetworkPolicy[] {
  const namespaces = new Set(selectedNamespaces(profile, snapshot));
  return snapshot.policies.filter(
    (policy) => namespaces.has(policy.metadata.namespace ?? '') && snapshot.ownerOf(policy) === undefined,
  );
}
