/** Compiles the guard of a profile from the cluster state, and subscribes it to the facts that it depends on. No I/O. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { RecordedFacts } from '../../cluster-state/peer-sources/dependencies.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isGranting } from '../../policy/exceptions/grant.ts';
import { compileGuard, type GuardAdditions, NOTHING_ADDED } from '../../policy/guard/compile.ts';
import type { Guard, HeldPolicies } from '../../policy/guard/guard.ts';
import { byObjectName } from '../../util/order.ts';
import type { GuardInputs } from '../guard-support.ts';
import type { Added } from '../namespace/additions.ts';

/** Names of namespaces have no blanks. */
const DEPENDENT = 'guard of ';

export function dependentOf(profile: string): string {
  return `${DEPENDENT}${profile}`;
}

/** The profile whose guard the dependent is; undefined for a namespace. */
export function profileOfDependent(dependent: string): string | undefined {
  return dependent.startsWith(DEPENDENT) ? dependent.slice(DEPENDENT.length) : undefined;
}

/** Undefined while an input has not been read: what would be compiled could be too narrow. */
export function compileInputs(
  profile: SegmentationProfile,
  clusterState: ClusterState,
  { sources, additions }: GuardInputs,
): Guard | undefined {
  const facts = new RecordedFacts(sources.facts);
  const namespaces = selectedNamespaces(profile, clusterState);
  const profiles = formsOf(profile, namespaces, clusterState);
  const held = heldPolicies(namespaces, clusterState);
  if (held.some((each) => isBeingRead(each, clusterState, additions))) return undefined;
  const added = addedPolicies(profiles, namespaces, { clusterState, facts, additions });
  if (added === undefined) return undefined;
  const guard = compileGuard(profile, {
    profiles,
    namespaces: namespaces.map(({ key, labels }) => ({ name: key, labels })),
    protectedNamespaces: clusterState.protectedNamespaces,
    cluster: facts,
    added,
  });
  sources.subscribe(dependentOf(profile.metadata.name), facts.dependencies);
  if (facts.missing.length > 0) return undefined;
  return held.length === 0 ? guard : { ...guard, held };
}

export function selectedNamespaces(
  profile: SegmentationProfile,
  clusterState: ClusterState,
): NamespaceItem[] {
  return [...clusterState.namespaces.values()].filter((each) => clusterState.selects(profile, each));
}

/** The profiles that enforce; of one with a rollout, also the forms that are in force in these namespaces. */
function formsOf(
  own: SegmentationProfile,
  namespaces: readonly NamespaceItem[],
  clusterState: ClusterState,
): SegmentationProfile[] {
  const forms = new Set([own]);
  for (const { profile } of clusterState.profiles.values()) {
    const { spec, metadata, status } = profile;
    if (metadata.deletionTimestamp !== undefined && spec.deletionPolicy !== 'Retain') continue;
    if (spec.mode === 'Enforce') forms.add(profile);
    if (spec.rollout === undefined && status?.rollout === undefined) continue;
    for (const namespace of namespaces) {
      const inForce = clusterState.inForce(profile, namespace);
      if (inForce.relation === 'enforce') forms.add(inForce.profile);
    }
  }
  return [...forms].sort(byObjectName);
}

/** By profile. They are not read for passes: whoever may write NetworkPolicies could widen the guard by one that looks held. */
function heldPolicies(namespaces: readonly NamespaceItem[], clusterState: ClusterState): HeldPolicies[] {
  const selected = new Map(namespaces.map((each) => [each.key, each]));
  const found: HeldPolicies[] = [];
  for (const { profile } of clusterState.profiles.values()) {
    const { spec, status, metadata } = profile;
    if (spec.rollout === undefined && status?.rollout === undefined) continue;
    const isHeld = (name: string) => {
      const namespace = selected.get(name);
      return namespace !== undefined && clusterState.inForce(profile, namespace).relation === 'held';
    };
    const names = clusterState.namespacesWithPoliciesOf(metadata.name, isHeld);
    if (names.length > 0) found.push({ profile: metadata.name, namespaces: names.sort() });
  }
  return found;
}

/** True while the first read of the revisions is under way. */
function isBeingRead(
  { profile, namespaces }: HeldPolicies,
  clusterState: ClusterState,
  additions: GuardInputs['additions'],
): boolean {
  const owner = clusterState.profile(profile);
  return namespaces.some((name) => {
    const namespace = clusterState.namespaces.get(name);
    if (owner === undefined || namespace === undefined) return false;
    const missing = additions.flatMap((each) => each.missing([owner], namespace) ?? []);
    return missing.some(({ error }) => error === undefined);
  });
}

/** The policies that capabilities add in these namespaces; undefined while an input is missing. */
function addedPolicies(
  profiles: readonly SegmentationProfile[],
  namespaces: readonly NamespaceItem[],
  {
    clusterState,
    facts,
    additions,
  }: Pick<GuardInputs, 'additions'> & { readonly clusterState: ClusterState; readonly facts: RecordedFacts },
): GuardAdditions | undefined {
  const granting = profiles.filter(isGranting);
  if (granting.length === 0) return NOTHING_ADDED;
  const added: Added[] = [];
  for (const namespace of namespaces) {
    const here = granting.filter((each) => clusterState.selects(each, namespace));
    for (const addition of here.length > 0 ? additions : []) {
      const missing = addition.missing(here, namespace);
      if (missing !== undefined) return undefined;
      for (const each of here)
        added.push(addition.of(each, namespace, { facts, lastKnown: undefined, isLookedAt: true }));
    }
  }
  return {
    policies: added.flatMap((each) => each.policies),
    extensions: added.flatMap((each) => each.extensions),
    unresolved: added.flatMap((each) => each.unresolved),
  };
}
