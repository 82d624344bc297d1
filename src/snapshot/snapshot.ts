/** A snapshot: a state of a cluster, read or described by manifests, and the policies that its profiles ask for. Pure. */
import type { KubeObject, ObjectMeta } from '../api/meta.ts';
import { EXCEPTION_KIND, KIND } from '../api/names.ts';
import type { SegmentationException } from '../api/exception.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { Namespace } from '../analysis/cluster.ts';
import type { ExtensionEngine } from '../engines/extensions/engine.ts';
import type { GuardSetting } from '../engines/guards/objects.ts';
import { configuredEngine, extensionObjects } from '../engines/extensions/objects.ts';
import type { StagingEngine } from '../engines/staging/engine.ts';
import { configuredStaging, stagedObjects } from '../engines/staging/objects.ts';
import { lastKnownFrom } from '../policy/peers/last-known.ts';
import { HeldForms } from '../cluster-state/held-forms.ts';
import type { InForce } from '../cluster-state/in-force.ts';
import { projectProfile } from '../cluster-state/items.ts';
import { nodeFacts, type RawNode, serviceFacts } from '../cluster-state/peer-sources/facts.ts';
import { type Relation, relationOf } from '../cluster-state/relation.ts';
import { ClusterState } from '../cluster-state/state.ts';
import { accountsOf } from '../policy/admission/accounts.ts';
import { compile, type Compiled } from '../policy/compile.ts';
import type { ExtensionPolicy } from '../policy/extensions.ts';
import type { ClusterConfiguration, ClusterFacts } from '../policy/facts.ts';
import { isGranting } from '../policy/exceptions/grant.ts';
import type { TunnelPlan } from '../engines/istio/ambient/plan.ts';
import { plannedTunnels } from './mesh/tunnels.ts';
import { exceptionNameOf, withOwnerLabels } from '../policy/ownership.ts';
import { withFreeNames } from '../policy/planning/free-names.ts';
import { arranged } from '../policy/planning/noted-rules.ts';
import { type ManifestExceptions, type Opened, openedByExceptions, type Remark } from './exceptions.ts';
import { factsOf } from './cluster-facts.ts';
import type { SnapshotInput } from './input.ts';
import { furtherKind, type ObjectSet } from './objects.ts';
import {
  externalAddresses,
  type Service,
  servicesOf,
  type SnapshotService,
  withPortNames,
} from './services.ts';
import { labelledByAccount, podsOf, type WorkloadPod } from './pods.ts';
import { revisionsIn, SnapshotRevisions } from './revisions.ts';
import type { Revision } from '../rollout/revision.ts';
import { byName, byObjectName } from '../util/order.ts';

export interface SnapshotNamespace extends Namespace {
  readonly terminating: boolean;
  /** True if no manifest describes the namespace, so that only its name is known. */
  readonly assumed: boolean;
}

/** The compiled policies of one profile for one namespace, with its relation. */
export interface ProfileIntent {
  readonly profile: SegmentationProfile;
  readonly namespace: SnapshotNamespace;
  readonly relation: 'enforce' | 'audit';
  /** The number of the revision that is in force there, if the profile has a rollout. */
  readonly revision?: number;
  readonly compiled: Compiled;
  /** The compiled policies, under names that no foreign policy has, and those of exceptions that the profile grants. */
  readonly policies: readonly NetworkPolicy[];
  /** Names that foreign policies have taken. */
  readonly conflicts: readonly string[];
  /** Policies of the configured network engine beside them. */
  readonly extensions: readonly KubeObject[];
  /** The policies as the configured network engine stages them; empty unless the profile is under Audit. */
  readonly staged: readonly KubeObject[];
}

/** A namespace in which the policies of a profile stay as they are, but for those of exceptions. */
export interface HeldNamespace {
  readonly policies: readonly NetworkPolicy[];
  /** Policies of the configured network engine beside them. */
  readonly extensions: readonly KubeObject[];
}

/** A namespace that a rollout has still to reach, and to which no recorded revision applies. */
export interface AwaitedNamespace {
  readonly profile: SegmentationProfile;
  readonly namespace: SnapshotNamespace;
  /** `nothing`: it has no policy of the profile; `held`: its policies stay as they are, as their revision is not known. */
  readonly kind: 'nothing' | 'held';
}

export class Snapshot {
  /** The objects that were read. */
  readonly objects: ObjectSet;
  readonly origin: string;
  readonly isObserved: boolean;
  /** The namespace of names without one. */
  readonly namespace: string;
  readonly unread: ReadonlyMap<string, string>;
  /** The version that the API server tells. */
  readonly serverVersion: string | undefined;
  readonly configuration: ClusterConfiguration;
  /** The kind of the policies that the operator writes beside NetworkPolicies, by its configuration. */
  readonly extensionKind: string | undefined;
  /** `guard` of the operator's configuration. */
  readonly guard: GuardSetting | undefined;
  readonly protectedNamespaces: ReadonlySet<string>;
  /** Sorted by name. */
  readonly namespaces: readonly SnapshotNamespace[];
  /** Sorted by name. */
  readonly profiles: readonly SegmentationProfile[];
  readonly pods: readonly WorkloadPod[];
  /** Own and foreign policies, as they were read. */
  readonly policies: readonly NetworkPolicy[];
  readonly services: readonly SnapshotService[];
  /** Nodes, each with its InternalIPs. */
  readonly nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  readonly facts: ClusterFacts;
  /** The recorded revisions of profiles, by the uid of the profile and by number. */
  readonly revisions: ReadonlyMap<string, ReadonlyMap<number, Revision>>;
  /** True if no manifest describes the DNS Service, and it is taken to be as in the operator's configuration. */
  readonly assumesDNS: boolean;
  readonly #clusterState: ClusterState;
  readonly #heldForms: HeldForms;
  readonly #engine: ExtensionEngine | undefined;
  readonly #staging: StagingEngine | undefined;
  readonly #exceptions: ManifestExceptions;
  /** By namespace. */
  readonly #opened = new Map<string, readonly Opened[]>();
  /** The objects of the engine's kind; undefined if they were not read. */
  readonly #observedExtensions: readonly KubeObject[] | undefined;
  #intents: readonly ProfileIntent[] | undefined;
  /** By namespace and profiles. */
  readonly #tunnelPlans = new Map<string, TunnelPlan | undefined>();
  #awaited: readonly AwaitedNamespace[] | undefined;
  #held: readonly HeldNamespace[] | undefined;

  constructor(input: SnapshotInput) {
    const { objects, assumed } = input;
    this.objects = objects;
    this.origin = input.origin;
    this.isObserved = input.isObserved;
    this.namespace = input.namespace;
    this.unread = input.unread;
    this.configuration = input.configuration;
    this.guard = input.guard;
    this.#engine = configuredEngine(input.engine ?? 'None');
    this.#staging = configuredStaging(input.engine ?? 'None');
    const kind = this.#engine && furtherKind(this.#engine.kind)?.kind;
    this.extensionKind = kind;
    if (kind !== undefined && input.readsExtensions === true && !input.unread.has(kind))
      this.#observedExtensions = objects.of(kind);
    this.serverVersion = input.serverVersion;
    this.#exceptions = input.exceptions ?? NO_EXCEPTIONS;
    this.protectedNamespaces = new Set(input.protectedNamespaces);
    this.namespaces = objects
      .of('Namespace')
      .map(({ metadata }) => ({
        name: metadata.name,
        labels: metadata.labels ?? {},
        terminating: metadata.deletionTimestamp !== undefined,
        assumed: assumed.includes(metadata.name),
      }))
      .sort(byName);
    this.profiles = objects.of<SegmentationProfile>(KIND).sort(byObjectName);
    const named = this.profiles.flatMap(accountsOf).map(({ namespace }) => namespace);
    this.pods = labelledByAccount(podsOf(objects), new Set(named));
    this.policies = objects.of<NetworkPolicy>('NetworkPolicy');
    this.services = objects.of<Service>('Service').map(({ metadata, spec, status }) => ({
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      ...withPortNames(serviceFacts({ spec: spec ?? {} }), spec?.ports ?? []),
      external: externalAddresses(spec?.externalIPs ?? [], status?.loadBalancer?.ingress ?? []),
    }));
    this.nodes = objects
      .of<KubeObject & RawNode>('Node')
      .map((node) => ({ name: node.metadata.name, addresses: nodeFacts(node).addresses }));
    const services = servicesOf(input);
    this.assumesDNS = services.assumesDNS;
    this.facts = factsOf(input, this.pods, services.byKey);
    this.#clusterState = new ClusterState(input.protectedNamespaces);
    this.#heldForms = new HeldForms(this.#clusterState);
    for (const profile of this.profiles)
      this.#clusterState.profiles.upsert(projectProfile(withIdentity(profile)));
    this.#clusterState.exceptions = { grantedBy: (uid) => grantingProfile(uid, objects) };
    this.revisions = revisionsIn(objects);
    if (input.knowsRevisions === true) this.#clusterState.revisions = new SnapshotRevisions(this.revisions);
    const { policies } = this.#clusterState;
    for (const policy of this.policies) policies.upsert(policies.project(withIdentity(policy)));
  }

  /** The name of the profile that owns a policy of any kind; undefined for a foreign policy. */
  ownerOf(policy: KubeObject): string | undefined {
    return this.#clusterState.ownerOfPolicy(withIdentity(policy));
  }

  /**
   * The intent of each profile for each namespace in which it is in force, Audit included; by namespace, then by profile. With a
   * rollout, it is that of the revision that the namespace has.
   */
  intents(): readonly ProfileIntent[] {
    return (this.#intents ??= this.#compile());
  }

  /** Remarks on the exceptions of manifests: those that open less than they ask for, or need an approval. */
  exceptionRemarks(): Remark[] {
    return this.namespaces.flatMap((namespace) =>
      this.#openedIn(namespace).flatMap(({ remarks }) => remarks),
    );
  }

  /** The exceptions of manifests in a namespace. */
  #openedIn(namespace: SnapshotNamespace): readonly Opened[] {
    if (this.#exceptions.exceptions.length === 0) return [];
    let opened = this.#opened.get(namespace.name);
    if (opened === undefined) {
      const profiles = this.profiles.flatMap((each) => {
        const { relation, profile } = this.#inForce(each, namespace);
        if (relation === 'none') return [];
        return [relation === 'held' ? this.#heldForms.formIn(profile, namespace.name) : profile];
      });
      const present = this.policies.filter(({ metadata }) => metadata.namespace === namespace.name);
      const context = { namespace, profiles, facts: this.facts, lastKnown: lastKnownFrom(present) };
      this.#opened.set(namespace.name, (opened = openedByExceptions(this.#exceptions, context)));
    }
    return opened;
  }

  /** The policies of exceptions: compiled from manifests, or else as they are in the cluster. */
  #exceptedBy(profile: SegmentationProfile, namespace: SnapshotNamespace, present: readonly NetworkPolicy[]) {
    if (!isGranting(profile)) return [];
    const opened = this.#openedIn(namespace);
    const known = new Set(opened.map(({ exception }) => exception.metadata.name));
    const compiled = opened.filter((each) => each.profile === profile.metadata.name);
    const others = present.filter(
      (policy) => this.#isOfException(policy, profile) && !known.has(exceptionNameOf(policy.metadata) ?? ''),
    );
    const kept = others.map((policy) => withOwnerLabels(asWritten(policy), profile.metadata.name));
    return [...compiled.flatMap(({ policies }) => policies), ...kept];
  }

  #compile(): ProfileIntent[] {
    const byNamespace = Map.groupBy(this.policies, ({ metadata }) => metadata.namespace ?? '');
    return this.namespaces.flatMap((namespace) => {
      const present = byNamespace.get(namespace.name) ?? [];
      const taken = new Set(
        present.filter((policy) => this.ownerOf(policy) === undefined).map(({ metadata }) => metadata.name),
      );
      const lastKnown = lastKnownFrom(present);
      const intents = this.profiles.flatMap((profile): ProfileIntent[] => {
        const { relation, revision, profile: form } = this.#inForce(profile, namespace);
        if (relation === 'none' || relation === 'held') return [];
        const compiled = compile(form, namespace, this.facts, lastKnown);
        const { named, conflicts } = withFreeNames(compiled.policies, taken);
        // An update keeps the positions of rules, so that the result depends on the observed policy.
        const policies = named.map((policy) => {
          const observed = present.find(({ metadata }) => metadata.name === policy.metadata.name);
          return observed === undefined ? policy : arranged(observed, policy);
        });
        const excepted = this.#exceptedBy(profile, namespace, present);
        const all = excepted.length === 0 ? policies : [...policies, ...excepted].sort(byObjectName);
        const extensions = this.#extensionsOf(profile, namespace, { asked: compiled.extensions });
        const isStaged = relation === 'audit' && this.#staging !== undefined;
        const staged = isStaged ? stagedObjects(compiled, profile, this.#staging) : [];
        const written = { policies: all, conflicts, extensions, staged };
        const number = revision === undefined ? {} : { revision };
        return [{ profile, namespace, relation, ...number, compiled, ...written }];
      });
      return this.#withTunnels(namespace, intents);
    });
  }

  /** Profiles under Audit have the tunnels that they would have beside those that are enforced. */
  #withTunnels(namespace: SnapshotNamespace, intents: readonly ProfileIntent[]): ProfileIntent[] {
    const enforced = intents.filter(({ relation }) => relation === 'enforce');
    const ofEnforced = this.tunnelPlan(namespace, enforced);
    const ofAll = enforced.length === intents.length ? ofEnforced : this.tunnelPlan(namespace, intents);
    return intents.map((intent) => {
      const plan = intent.relation === 'enforce' ? ofEnforced : ofAll;
      const tunnels = plan?.profiles.get(intent.profile.metadata.name);
      if (tunnels === undefined) return intent;
      const unresolved = [...intent.compiled.unresolved, ...tunnels.unresolved];
      const policies = [...intent.policies, ...tunnels.policies].sort(byObjectName);
      return { ...intent, policies, compiled: { ...intent.compiled, unresolved } };
    });
  }

  /** The tunnels of a namespace if these profiles are enforced there; undefined if it has none. Computed once. */
  tunnelPlan(namespace: SnapshotNamespace, intents: readonly ProfileIntent[]): TunnelPlan | undefined {
    const key = JSON.stringify([namespace.name, ...intents.map(({ profile }) => profile.metadata.name)]);
    if (!this.#tunnelPlans.has(key)) this.#tunnelPlans.set(key, this.#planTunnels(namespace, intents));
    return this.#tunnelPlans.get(key);
  }

  #planTunnels(namespace: SnapshotNamespace, intents: readonly ProfileIntent[]): TunnelPlan | undefined {
    return plannedTunnels(namespace, intents, {
      mesh: this.facts.mesh(),
      namespaces: this.namespaces,
      foreign: () =>
        this.policies.filter(
          (policy) => policy.metadata.namespace === namespace.name && this.ownerOf(policy) === undefined,
        ),
    });
  }

  /** The namespaces that rollouts have still to reach, and that have no recorded revision; by profile, then by namespace. */
  awaited(): readonly AwaitedNamespace[] {
    return (this.#awaited ??= this.profiles.flatMap((profile) =>
      this.namespaces.flatMap((namespace): AwaitedNamespace[] => {
        const { relation, revision, isAwaited } = this.#inForce(profile, namespace);
        if (!isAwaited || revision !== undefined) return [];
        return [{ profile, namespace, kind: relation === 'held' ? 'held' : 'nothing' }];
      }),
    ));
  }

  /** The namespaces in which the policies of a profile stay as they are, as the rollout has still to reach them. */
  held(): readonly HeldNamespace[] {
    return (this.#held ??= this.#heldNamespaces());
  }

  #heldNamespaces(): HeldNamespace[] {
    const byNamespace = Map.groupBy(this.policies, ({ metadata }) => metadata.namespace ?? '');
    return this.profiles.flatMap((profile) =>
      this.namespaces.flatMap((namespace): HeldNamespace[] => {
        if (this.#inForce(profile, namespace).relation !== 'held') return [];
        const present = byNamespace.get(namespace.name) ?? [];
        const own = present.filter(
          (policy) => this.ownerOf(policy) === profile.metadata.name && !this.#isOfException(policy, profile),
        );
        const policies = [...own, ...this.#exceptedBy(profile, namespace, present)];
        return [{ policies, extensions: this.#extensionsOf(profile, namespace, { isHeld: true }) }];
      }),
    );
  }

  #inForce(profile: SegmentationProfile, namespace: SnapshotNamespace): InForce {
    return this.#clusterState.inForce(profile, {
      ...namespace,
      key: namespace.name,
      uid: '',
      resourceVersion: '0',
    });
  }

  /** Policies of the network engine that profiles own, as they are in the cluster; undefined if they were not read. */
  get ownExtensions(): readonly KubeObject[] | undefined {
    return this.#observedExtensions?.filter((each) => this.ownerOf(each) !== undefined);
  }

  /** @param options `asked`: those of the profile's own rules; `isHeld`: true if the observed ones of these stay as they are */
  #extensionsOf(
    profile: SegmentationProfile,
    namespace: SnapshotNamespace,
    { asked: ofRules = [], isHeld = false }: { asked?: readonly ExtensionPolicy[]; isHeld?: boolean },
  ): KubeObject[] {
    if (this.#engine === undefined) return [];
    const there = (this.#observedExtensions ?? []).filter(
      ({ metadata }) => metadata.namespace === namespace.name,
    );
    const opened = this.#openedIn(namespace);
    const inManifests = new Set(opened.map(({ exception }) => exception.metadata.name));
    const granted = opened.filter((each) => each.profile === profile.metadata.name);
    const asked = [...ofRules, ...granted.flatMap((each) => each.extensions)];
    const isOwn = (object: KubeObject) => this.ownerOf(object) === profile.metadata.name;
    // Extensions of exceptions stay, as do their NetworkPolicies.
    const isKept = ({ metadata }: KubeObject) => {
      const exception = exceptionNameOf(metadata);
      return exception === undefined ? isHeld : !inManifests.has(exception) && isGranting(profile);
    };
    const kept = there.filter((each) => isOwn(each) && isKept(each));
    const changing = there.filter((each) => isOwn(each) && !isKept(each));
    const others = there.filter((each) => !changing.includes(each));
    return [...extensionObjects(asked, this.#engine, { own: changing, others }), ...kept];
  }

  #isOfException(policy: NetworkPolicy, { metadata }: SegmentationProfile): boolean {
    return exceptionNameOf(policy.metadata) !== undefined && this.ownerOf(policy) === metadata.name;
  }

  relation(profile: SegmentationProfile, namespace: SnapshotNamespace): Relation {
    return relationOf(profile, namespace, this.protectedNamespaces);
  }

  /**
   * The policies that decide about flows: those observed in a cluster or, for manifests, those compiled from the
   * profiles together with foreign ones. `asEnforced`: as if every profile were enforced now, Audit included.
   */
  effective(asEnforced = false): readonly NetworkPolicy[] {
    return this.isObserved && !asEnforced ? this.policies : this.intended(asEnforced);
  }

  /** The policies once every profile is enforced (`audited`: profiles under Audit too), and foreign ones. */
  intended(audited = false): readonly NetworkPolicy[] {
    const foreign = this.policies.filter((policy) => this.ownerOf(policy) === undefined);
    const wanted = this.intents().filter(({ relation }) => audited || relation === 'enforce');
    const kept = this.held().flatMap(({ policies }) => policies);
    return [...foreign, ...kept, ...wanted.flatMap(({ policies }) => policies)];
  }
}

const NO_EXCEPTIONS: ManifestExceptions = { exceptions: [], now: 0 };

/** The profile that has granted an exception, as far as exceptions were read. */
function grantingProfile(uid: string, objects: ObjectSet): string | undefined {
  const found = objects
    .of<SegmentationException>(EXCEPTION_KIND)
    .find(({ metadata }) => metadata.uid === uid);
  return found?.status?.profile ?? found?.spec.profile;
}

/** The policy without what the API server adds to it. */
function asWritten({ metadata, ...policy }: NetworkPolicy): NetworkPolicy {
  const { name, namespace, labels, annotations, ownerReferences } = metadata;
  return {
    ...policy,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(ownerReferences && { ownerReferences }),
    },
  };
}

/** Adds uid and resourceVersion, by which stores tell objects apart and which manifests lack. */
function withIdentity<T extends KubeObject>(object: T): T {
  const { uid, resourceVersion } = object.metadata;
  if (uid !== undefined && resourceVersion !== undefined) return object;
  const { namespace = '', name }: ObjectMeta = object.metadata;
  return {
    ...object,
    metadata: {
      ...object.metadata,
      uid: uid ?? `${namespace}/${name}`,
      resourceVersion: resourceVersion ?? '0',
    },
  };
}
