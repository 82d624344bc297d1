/** Gathers what the reconcile of a namespace works from: the profiles that concern it, and their intents. No I/O. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { LABEL_EXCEPTION, LABEL_PROFILE } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { InForce } from '../../cluster-state/in-force.ts';
import { cachedPolicies } from '../../cluster-state/policies/cached.ts';
import { exceptionOf, type NamespaceItem } from '../../cluster-state/items.ts';
import { RecordedFacts } from '../../cluster-state/peer-sources/dependencies.ts';
import type { Relation } from '../../cluster-state/relation.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { type Compiled, compile, type LastKnown } from '../../policy/compile.ts';
import { NOTHING_KNOWN } from '../../policy/peers/last-known.ts';
import type { ClusterFacts } from '../../policy/facts.ts';
import { firstExcess } from '../../policy/limits.ts';
import { withOwnerLabels } from '../../policy/ownership.ts';
import { asksForTunnels } from '../../policy/mesh.ts';
import { fingerprint } from '../../policy/semantics/normalize.ts';
import { exceptionTunnels, isTunnel, type ProfileTunnels } from '../../policy/tunnels.ts';
import { byObjectName } from '../../util/order.ts';
import type { MeshSupport } from '../mesh-support.ts';
import { type Added, type PolicyAdditions, together } from './additions.ts';

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
  /**
   * If the relation is `held`: the policies that the profile asks for as it is. They are only
   * compared. Otherwise with the policies that capabilities add.
   */
  readonly compiled: Compiled;
  /** The policies that capabilities add; absent if they add none. */
  readonly added?: Added;
}

export interface Gathered {
  readonly namespace: NamespaceItem;
  /** The profiles that concern the namespace, by name. */
  readonly profiles: readonly SegmentationProfile[];
  /** The cluster facts, which record what compiling asks of them. */
  readonly facts: RecordedFacts;
  readonly additions: readonly PolicyAdditions[];
  readonly mesh: Pick<MeshSupport, 'tunnels'>;
  readonly intents: readonly ProfileIntent[];
}

/** The sources of a gathering: cluster state, cluster facts, and the capabilities that add policies. */
export interface GatherParts {
  readonly clusterState: ClusterState;
  readonly facts: ClusterFacts;
  readonly additions: readonly PolicyAdditions[];
  readonly mesh: Pick<MeshSupport, 'tunnels'>;
}

const NO_POLICIES: Compiled = { policies: [], extensions: [], unresolved: [], connections: [] };

export function gather(
  namespace: NamespaceItem,
  { clusterState, facts, additions, mesh }: GatherParts,
): Gathered {
  const profiles = clusterState.concerned(namespace);
  const gathered = { namespace, profiles, facts: new RecordedFacts(facts), additions, mesh, intents: [] };
  return { ...gathered, intents: compileIntents(gathered, clusterState) };
}

/** Last known peers, by the relation of the profiles that they are for. */
export interface LastKnownByRelation {
  readonly enforce: LastKnown;
  /** Read back from staged policies. Absent if none can be staged: under Audit there is nothing else to read from. */
  readonly audit?: LastKnown;
}

/** Stands in for peers that can't be resolved; without it they are left out. */
export interface ReadBack {
  readonly lastKnown: LastKnownByRelation;
  /** All policies of the namespace. */
  readonly observed: readonly NetworkPolicy[];
}

/** The intents of all profiles, with the policies of the mesh, which depend on all of them together. */
export function compileIntents(
  gathered: Omit<Gathered, 'intents'>,
  clusterState: ClusterState,
  readBack?: ReadBack,
): ProfileIntent[] {
  const { namespace, mesh, additions } = gathered;
  const intents = compileEach(gathered, clusterState, readBack?.lastKnown);
  const isAsked = intents.some(({ profile }) => asksForTunnels(profile.spec));
  const staying = intents.filter((each) => each.relation === 'held' || (isAsked && isStalled(each)));
  const enforced = intents.filter((each) => each.relation === 'enforce' && !staying.includes(each));
  const observe = () =>
    (readBack?.observed ?? cachedPolicies(clusterState.policies.byNamespace(namespace.key)))?.map((policy) =>
      withOwnerLabels(policy, clusterState.ownerOfPolicy(policy)),
    );
  const held = staying.map(({ profile }) => profile.metadata.name);
  const tunnels = mesh.tunnels(namespace, { enforced, held }, observe);
  for (const { profile, added } of intents.filter(({ relation }) => relation === 'enforce'))
    for (const exception of exceptionsIn(added)) {
      const unresolved = tunnels.get(profile.metadata.name)?.exceptions.get(exception) ?? [];
      for (const each of additions) each.tunnelled?.(namespace, exception, unresolved);
    }
  return intents.map((intent) => {
    if (intent.relation === 'held') return withHeldTunnels(intent, observe);
    const own = intent.relation === 'enforce' ? tunnels.get(intent.profile.metadata.name) : undefined;
    return own === undefined ? intent : withTunnels(intent, own);
  });
}

/** True if the API server would refuse policies for their size: then all observed ones stay as they are. */
function isStalled({ relation, compiled }: ProfileIntent): boolean {
  return relation === 'enforce' && firstExcess(compiled.policies) !== undefined;
}

/** The names of the exceptions that have policies. */
function exceptionsIn(added: Added | undefined): ReadonlySet<string> {
  return new Set((added?.policies ?? []).flatMap(({ metadata }) => metadata.labels?.[LABEL_EXCEPTION] ?? []));
}

function withTunnels(intent: ProfileIntent, { policies, unresolved }: ProfileTunnels): ProfileIntent {
  const { added } = intent;
  const ofExceptions = policies.filter(({ metadata }) => metadata.labels?.[LABEL_EXCEPTION] !== undefined);
  return {
    ...intent,
    compiled: {
      ...intent.compiled,
      policies: [...intent.compiled.policies, ...policies].sort(byObjectName),
      unresolved: [...intent.compiled.unresolved, ...unresolved],
    },
    ...(added && { added: { ...added, policies: [...added.policies, ...ofExceptions] } }),
  };
}

/** Where the policies of a profile stay as they are, so do the tunnels of its exceptions, as long as these are in force. */
function withHeldTunnels(
  intent: ProfileIntent,
  observe: () => readonly NetworkPolicy[] | undefined,
): ProfileIntent {
  const { added } = intent;
  if (added === undefined || added.policies.length === 0) return intent;
  const own = (observe() ?? []).filter(
    ({ metadata }) => metadata.labels?.[LABEL_PROFILE] === intent.profile.metadata.name,
  );
  const kept = exceptionTunnels(own, added.policies);
  return kept.length === 0
    ? intent
    : { ...intent, added: { ...added, policies: [...added.policies, ...kept] } };
}

function compileEach(
  { namespace, profiles, facts, additions }: Omit<Gathered, 'intents'>,
  clusterState: ClusterState,
  lastKnown: LastKnownByRelation | undefined,
): ProfileIntent[] {
  const own = { name: namespace.key, labels: namespace.labels };
  return profiles.map((each) => {
    const { relation, ...form } = clusterState.inForce(each, namespace);
    if (relation === 'none') return { ...form, relation, compiled: NO_POLICIES };
    const context = { facts, lastKnown: lastKnown?.enforce };
    if (relation === 'held') return heldIntent(form, { namespace, additions, clusterState, ...context });
    const known = lastKnown && (lastKnown[relation] ?? NOTHING_KNOWN);
    const compiled = compile(form.profile, own, facts, known);
    const intent: ProfileIntent = { ...form, relation, compiled };
    if (relation !== 'enforce' || additions.length === 0) return intent;
    const added = additions.map((addition) => addition.of(form.profile, namespace, context));
    return withAdded(intent, added);
  });
}

function withAdded({ compiled, ...intent }: ProfileIntent, added: readonly Added[]): ProfileIntent {
  const all = together(added);
  const { policies, extensions, unresolved } = all;
  if (policies.length + unresolved.length === 0) return { ...intent, compiled };
  return {
    ...intent,
    compiled: {
      ...compiled,
      policies: [...compiled.policies, ...policies].sort(byObjectName),
      extensions: [...compiled.extensions, ...extensions],
    },
    added: all,
  };
}

/** The policies are compiled only to be compared. */
function heldIntent(
  form: Omit<InForce, 'relation'>,
  {
    namespace,
    facts,
    additions,
    clusterState,
    lastKnown,
  }: Pick<Gathered, 'namespace' | 'facts' | 'additions'> & {
    readonly clusterState: ClusterState;
    readonly lastKnown: LastKnown | undefined;
  },
): ProfileIntent {
  const { profile, isAwaited } = form;
  const isCompiled = isAwaited && profile.spec.mode === 'Enforce';
  const own = { name: namespace.key, labels: namespace.labels };
  const compiled = isCompiled ? compile(profile, own, facts) : NO_POLICIES;
  const asked = new Map(compiled.policies.map((policy) => [policy.metadata.name, fingerprint(policy)]));
  const present = [...clusterState.policies.byNamespace(namespace.key)].filter(
    (item) =>
      clusterState.ownerOf(item) === profile.metadata.name &&
      exceptionOf(item) === undefined &&
      !isTunnel({ metadata: { name: item.name, ...item.content }, spec: item.content?.spec }),
  );
  const isAsAsked =
    present.length === asked.size && present.every((item) => asked.get(item.name) === item.fingerprint);
  const added = additions.map((each) => each.of(profile, namespace, { facts, lastKnown }));
  return { ...form, relation: 'held', compiled, isAsAsked, added: together(added) };
}

/** True if a peer of a policy that is to be written, or of an added one, is unresolved. */
export function hasUnresolvedPeers(intents: readonly ProfileIntent[]): boolean {
  return intents.some(
    ({ relation, compiled, added }) =>
      (relation !== 'held' && compiled.unresolved.length > 0) || (added?.unresolved.length ?? 0) > 0,
  );
}
