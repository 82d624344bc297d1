/** Gathers what the reconcile of a namespace works from: the profiles that concern it, and their intents. No I/O. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { RecordedFacts } from '../../cluster-state/peer-sources/dependencies.ts';
import type { Relation } from '../../cluster-state/relation.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { type Compiled, compile, type LastKnown } from '../../policy/compile.ts';
import type { ClusterFacts } from '../../policy/facts.ts';

/** The compiled policies of one profile for the namespace, with its relation. */
export interface ProfileIntent {
  readonly profile: SegmentationProfile;
  readonly relation: Relation;
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
  return profiles.map((profile) => {
    const relation = clusterState.relation(profile, namespace);
    if (relation === 'none') return { profile, relation, compiled: NO_POLICIES };
    // Last known peers are read back from policies, and under Audit there soon are none.
    const compiled = compile(profile, own, facts, relation === 'enforce' ? lastKnown : undefined);
    return { profile, relation, compiled };
  });
}

export function hasUnresolvedPeers(intents: readonly ProfileIntent[]): boolean {
  return intents.some(({ compiled }) => compiled.unresolved.length > 0);
}
