/** Gathers what the reconcile of a namespace works from: the profiles that concern it, and their intents. No I/O. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { InForce } from '../../cluster-state/in-force.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { RecordedFacts } from '../../cluster-state/peer-sources/dependencies.ts';
import type { Relation } from '../../cluster-state/relation.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { type Compiled, compile, type LastKnown } from '../../policy/compile.ts';
import type { ClusterFacts } from '../../policy/facts.ts';
import { fingerprint } from '../../policy/semantics/normalize.ts';

/** The compiled policies of one profile for the namespace, with its relation. */
export interface ProfileIntent {
  /** With a rollout: in the form that is in force in the namespace. */
  readonly profile: SegmentationProfile;
  readonly relation: Relation;
  /** The revision that is in force, if the profile has a rollout. */
  readonly revision?: number;
  /** True if the profile selects the namespace, and a rollout has still to bring policies there. */
  readonly isAwaited?: boolean;
  /** If the relation is `held`: true if the policies are what the profile asks for as it is. */
  readonly isAsAsked?: boolean;
  /** If the relation is `held`: the policies that the profile asks for as it is. They are only compared. */
  readonly compiled: Compiled;
}

export interface Gathered {
  readonly namespace: NamespaceItem;
  /** The profiles that concern the namespace, by name. */
  readonly profiles: readonly SegmentationProfile[];
  /** The cluster facts, which record what compiling asks of them. */
  readonly facts: RecordedFacts;
  readonly intents: readonly ProfileIntent[];
}

const NO_POLICIES: Compiled = { policies: [], unresolved: [], connections: [] };

export function gather(namespace: NamespaceItem, clusterState: ClusterState, facts: ClusterFacts): Gathered {
  const profiles = clusterState.concerned(namespace);
  const gathered = { namespace, profiles, facts: new RecordedFacts(facts), intents: [] };
  return { ...gathered, intents: compileIntents(gathered, clusterState) };
}

/** @param lastKnown stands in for peers that can't be resolved; without it they are left out */
export function compileIntents(
  { namespace, profiles, facts }: Omit<Gathered, 'intents'>,
  clusterState: ClusterState,
  lastKnown?: LastKnown,
): ProfileIntent[] {
  const own = { name: namespace.key, labels: namespace.labels };
  return profiles.map((each) => {
    const { relation, ...form } = clusterState.inForce(each, namespace);
    if (relation === 'none') return { ...form, relation, compiled: NO_POLICIES };
    if (relation === 'held') return heldIntent(form, { namespace, facts, clusterState });
    // Last known peers are read back from policies, and under Audit there soon are none.
    const compiled = compile(form.profile, own, facts, relation === 'enforce' ? lastKnown : undefined);
    return { ...form, relation, compiled };
  });
}

/** The policies are compiled only to be compared. */
function heldIntent(
  form: Omit<InForce, 'relation'>,
  { namespace, facts, clusterState }: Pick<Gathered, 'namespace' | 'facts'> & { clusterState: ClusterState },
): ProfileIntent {
  const { profile, isAwaited } = form;
  const isCompiled = isAwaited && profile.spec.mode === 'Enforce';
  const own = { name: namespace.key, labels: namespace.labels };
  const compiled = isCompiled ? compile(profile, own, facts) : NO_POLICIES;
  const asked = new Map(compiled.policies.map((policy) => [policy.metadata.name, fingerprint(policy)]));
  const present = [...clusterState.policies.byNamespace(namespace.key)].filter(
    (item) => clusterState.ownerOf(item) === profile.metadata.name,
  );
  const isAsAsked =
    present.length === asked.size && present.every((item) => asked.get(item.name) === item.fingerprint);
  return { ...form, relation: 'held', compiled, isAsAsked };
}

/** True if a peer of a policy that is to be written is unresolved. */
export function hasUnresolvedPeers(intents: readonly ProfileIntent[]): boolean {
  return intents.some(({ relation, compiled }) => relation !== 'held' && compiled.unresolved.length > 0);
}
