/**
 * Judges all that decides about the flows of a namespace together, at every revision:
 * *allowed = not guard denies and (not isolated or base or extensions) and overlay*. It is never wider than what the states
 * before and the intents since allow, and never cuts what all of them allow (I1, I2).
 */
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { EngineSetting, GuardKind } from '../../../../src/engines/engine.ts';
import { LABEL_PROFILE } from '../../../../src/api/names.ts';
import { isolatesAll } from '../../../../src/policy/planning/effect.ts';
import { isTransitionalCover } from '../../../../src/policy/planning/transition.ts';
import { isolates, isProfileReference } from '../../../../src/policy/semantics/normalize.ts';
import { notesOf, type RuleNote } from '../../../../src/policy/notes.ts';
import { canonicalJSON } from '../../../../src/util/canonical-json.ts';
import type { Pod } from '../../../../src/analysis/cluster.ts';
import type { TunnelPlan } from '../../../../src/engines/istio/ambient/plan.ts';
import { isTunnel, type MeshTunnels } from '../../../../src/policy/tunnels.ts';
import type { Judge, LayeredPolicy, Tunnel } from '../../../support/judge/judge.ts';
import { NAMESPACES } from '../../schedule/actions.ts';
import type { Combination } from '../../schedule/combination.ts';
import { hasStablePods } from '../../schedule/users.ts';
import {
  AUTHORIZATION_POLICY,
  CALICO_STAGED,
  CALICO_STAGED_POLICY,
  DEFINITION,
  ENGINE_KINDS,
  type Kind,
  NAMESPACE,
  NETWORK_POLICY,
  PEER_AUTHENTICATION,
  type Stored,
} from '../../server/kinds.ts';
import { isOperator, type Server } from '../../server/server.ts';
import type { Revision, Storage } from '../../server/storage.ts';
import { definitionName, inForm, schemaOf } from '../../server/definitions.ts';
import type { ObservedCluster } from '../../judge/observed-cluster.ts';
import { type Inputs, isUnresolved } from '../../schedule/inputs.ts';
import { ACCOUNT, effectsOf, type Place } from '../effects.ts';
import {
  desiredExtensions,
  type EngineObject,
  engineOf,
  engineOfKind,
  extensionPlan,
  type NamespaceState,
  objectsOf,
  type OwnerOf,
  type PostponedDirections,
} from '../references.ts';
import { GuardJudge } from './guard-judge.ts';
import { asksForStrict, isFound, isLabelledAmbient, MESH_KINDS, overlaying } from '../mesh.ts';
import { MeshJudge } from './mesh-bounds.ts';
import { tunnelPlan, unmetOverlay } from './mesh-judge.ts';
import { unmetStaged } from './staged.ts';
import { engineInForce, isWritable, servedAs } from '../standing.ts';
import { EXTENSION_KIND } from '../users.ts';

/** The recorder of NetworkPolicies and of the operator's inputs. */
interface PolicyRecorder {
  readonly observed: ObservedCluster;
  readonly inputs: Inputs;
  /** The NetworkPolicies when a combination of inputs is enforced, beside each state of the foreign ones. */
  intents(
    namespace: string,
    combination: Combination,
    base: readonly NetworkPolicy[],
  ): (readonly NetworkPolicy[])[];
}

const ACCOUNTS = ['one', 'two', 'default'];

/** The operator's configuration. */
export interface Configured {
  readonly setting: () => EngineSetting;
  readonly guard: GuardKind | undefined;
  readonly hasMesh: boolean;
  /** The namespace whose policies hold for the whole mesh. */
  readonly rootNamespace: string;
}

export class TotalJudge {
  readonly #server: Server;
  readonly #storage: Storage;
  /** The profile's name in the labels of each object that the operator created, by the object's uid. */
  readonly #created = new Map<string, string | undefined>();
  /** The uids of objects that the API server stored in another form. */
  readonly #altered = new Set<string>();
  /** The AuthorizationPolicies by which ztunnel goes. */
  #pushed: readonly Stored[] = [];
  /** The forms that they have had since: istiod may pass on each of them at any time. */
  #pending: (readonly Stored[])[] = [];
  /** True if somebody else than the operator has changed them since. */
  #isChangedByOthers = false;
  readonly #recorder: PolicyRecorder;
  readonly #judge: Judge;
  readonly #setting: () => EngineSetting;
  readonly #rootNamespace: string;
  /** Absent if the configuration names no mesh. */
  readonly #mesh: MeshJudge | undefined;
  /** Absent if the configuration names no kind of policies for guards. */
  readonly #guards: GuardJudge | undefined;
  /** Each state of a namespace in this round, by its content; the first one is that at the beginning. */
  readonly #seen = new Map<string, Map<string, KnownState>>();
  /** The states at the beginning and after each change by somebody else, by content. */
  readonly #known = new Map<string, Map<string, KnownState>>();
  /** The policies of all layers in a state, by content; equal ones are one. */
  readonly #totals = new Map<string, readonly LayeredPolicy[]>();
  readonly #intended = new Map<string, readonly (readonly LayeredPolicy[])[]>();
  readonly #fixed = new Map<string, boolean>();
  readonly #carried = new Map<string, readonly EngineObject[]>();
  readonly #ids = new WeakMap<readonly NetworkPolicy[], number>();
  #nextId = 0;
  readonly #references = new Map<
    string,
    { readonly key: string; readonly all: (readonly LayeredPolicy[])[] }
  >();

  constructor(
    recorder: PolicyRecorder,
    server: Server,
    judge: Judge,
    { setting, guard, hasMesh, rootNamespace }: Configured,
  ) {
    this.#server = server;
    this.#storage = server.storage;
    this.#recorder = recorder;
    this.#judge = judge;
    this.#setting = setting;
    this.#rootNamespace = rootNamespace;
    this.#mesh = hasMesh ? new MeshJudge(server) : undefined;
    this.#guards = guard && new GuardJudge(guard, recorder, server);
  }

  beginRound(): void {
    this.#totals.clear();
    this.#references.clear();
    this.#intended.clear();
    this.#fixed.clear();
    this.#carried.clear();
    for (const namespace of NAMESPACES) this.#begin(namespace);
    this.#guards?.beginRound();
    this.#mesh?.beginRound(
      NAMESPACES.flatMap((each) => this.#objects(each).filter(({ object }) => this.#isOwned(object))),
    );
  }

  /** Describes the fault that a revision brings. */
  follow({ kind, type, author, object, previous }: Revision): string | undefined {
    this.#guards?.follow();
    // Connections take another way by themselves: that is not the operator's doing.
    if (this.#mesh?.follow() === true) for (const namespace of NAMESPACES) this.#note(namespace, false);
    const isOwn = isOperator(author);
    const { uid = '', name, namespace } = object.metadata;
    if (isOwn && type === 'ADDED') this.#created.set(uid, object.metadata.labels?.[LABEL_PROFILE]);
    else if (isOwn && ENGINE_KINDS.includes(kind) && !this.#created.has(previous?.metadata.uid ?? ''))
      return `I5, the operator changed the foreign object ${name}: ${type}`;
    if (isOwn && type !== 'DELETED' && MESH_KINDS.includes(kind) && namespace === this.#rootNamespace)
      return `I2, ${kind.kind} ${name} of the root namespace holds for the whole mesh`;
    if (kind === DEFINITION) {
      for (const namespace of NAMESPACES) this.#note(namespace, false);
      return undefined;
    }
    if (kind === NAMESPACE && type === 'ADDED') this.#begin(object.metadata.name);
    if (isOwn && type === 'ADDED' && servedAs(this.#server, kind) === 'changed') this.#altered.add(uid);
    const isWanted = () => this.#isWanted(kind, object) || this.#guards?.isWanted(kind, object) === true;
    if (isOwn && type === 'DELETED' && !this.#altered.has(uid) && isWanted())
      return `I3, the operator deleted ${name}, which every intent keeps`;
    const isStatus = kind === AUTHORIZATION_POLICY && type === 'MODIFIED' && isSameForm(object, previous);
    if (kind === AUTHORIZATION_POLICY && !isStatus) {
      this.#pending.push([...this.#storage.values(AUTHORIZATION_POLICY)]);
      this.#isChangedByOthers ||= !isOwn;
    }
    const isPolicy = !isStatus && (kind === NETWORK_POLICY || ENGINE_KINDS.includes(kind));
    if (!isPolicy && kind !== NAMESPACE) return undefined;
    const touched = namespace === undefined ? NAMESPACES : [namespace];
    for (const each of touched) {
      if (!NAMESPACES.includes(each)) continue;
      if (isPolicy) this.#note(each, isOwn);
      const fault = this.#fault(each);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Describes the fault that begins as ztunnel goes by these AuthorizationPolicies. */
  push(policies: readonly Stored[]): string | undefined {
    this.#pushed = policies;
    this.#pending = [];
    const isOwn = !this.#isChangedByOthers;
    this.#isChangedByOthers = false;
    for (const namespace of NAMESPACES) {
      this.#note(namespace, isOwn);
      const fault = this.#fault(namespace);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Describes extensions that differ from those that the profiles ask for; undefined if none do. */
  unmet(namespace: string, postponed: PostponedDirections): string | undefined {
    const { observed, inputs } = this.#recorder;
    const current = inputs.current(namespace);
    const engine = engineOf(current.facts.engine());
    if (engine === undefined || !isWritable(this.#server, EXTENSION_KIND[engine.engine])) return undefined;
    const ownerOf: OwnerOf = (object) => observed.ownerOf(object as NetworkPolicy);
    const found = extensionPlan(current, namespace, this.state(namespace), { ownerOf, postponed });
    const [step] = [...(found?.widen ?? []), ...(found?.narrow ?? [])];
    if (step === undefined) return undefined;
    const { metadata } = step.verb === 'delete' ? step.before : step.object;
    return `the extension ${metadata.name} is still to be written: ${step.verb} ${JSON.stringify(step)}`;
  }

  /** Describes objects of the mesh that differ from those for the NetworkPolicies of the namespace; undefined if none do. */
  unmetOverlay(namespace: string, postponed: PostponedDirections): string | undefined {
    const { observed, inputs } = this.#recorder;
    if (this.#mesh === undefined || !isFound(this.#storage) || namespace === this.#rootNamespace)
      return undefined;
    if (MESH_KINDS.some((kind) => !isWritable(this.#server, kind))) return undefined;
    const ownerOf: OwnerOf = (object) => observed.ownerOf(object as NetworkPolicy);
    const context = { ownerOf, postponed, storage: this.#storage };
    return unmetOverlay(inputs.current(namespace), namespace, this.state(namespace), context);
  }

  /** The tunnel of a namespace as it should be, by profile; undefined if it has none. */
  tunnels(namespace: string): MeshTunnels | undefined {
    return this.#tunnelPlan(namespace)?.profiles;
  }

  #tunnelPlan(namespace: string): TunnelPlan | undefined {
    if (this.#mesh === undefined) return undefined;
    const { observed, inputs } = this.#recorder;
    const ownerOf: OwnerOf = (object) => observed.ownerOf(object as NetworkPolicy);
    const context = { ownerOf, storage: this.#storage };
    return tunnelPlan(inputs.current(namespace), namespace, this.state(namespace), context);
  }

  /**
   * Describes connections through the tunnel that pass, and are not meant, or the reverse. It is for a namespace whose rules
   * can all be carried, and that has no policies of somebody else.
   */
  unmetPassages(namespace: string): string | undefined {
    const { observed, inputs } = this.#recorder;
    const tunnel = this.#mesh?.tunnel();
    const place = this.#place(namespace);
    const current = inputs.current(namespace);
    const plan = this.#tunnelPlan(namespace);
    const state = this.state(namespace);
    if (tunnel === undefined || plan === undefined || place.isAmbient?.(namespace) !== true) return undefined;
    if ([...plan.profiles.values()].some(({ unresolved }) => unresolved.length > 0)) return undefined;
    if (
      isUnresolved(current, namespace) ||
      state.policies.some((each) => observed.ownerOf(each) === undefined)
    )
      return undefined;
    const { labels } = observed;
    const meant = state.policies.filter((each) => !isTunnel(each)).map(asMeant);
    const guards = this.#total(namespace, state).filter(({ layer }) => layer === 'guard');
    const through = (policies: readonly LayeredPolicy[]) =>
      this.#judge
        .allowed(namespace, policies, labels, tunnel)
        .filter((flow) => flow.startsWith('Ingress') && isThrough(flow, tunnel, namespace));
    // The tunnel carries rules with ports only of profiles that ask for it.
    const carried = meant.filter(
      (each) =>
        (each.spec.ingress ?? []).length === 0 ||
        plan.profiles.has(each.metadata.labels?.[LABEL_PROFILE] ?? ''),
    );
    const [is, may, must] = [
      this.#total(namespace, state),
      [...meant, ...guards],
      [...carried, ...guards],
    ].map(through);
    const wider = is?.find((flow) => may?.includes(flow) !== true);
    const missing = must?.find((flow) => is?.includes(flow) !== true);
    if (wider !== undefined) return `it passes through the tunnel and is not meant: ${wider}`;
    return missing && `it is meant and does not pass through the tunnel: ${missing}`;
  }

  /** Describes policies that Calico stages for profiles in Audit, and that differ from those which these would enforce. */
  unmetStaged(namespace: string): string | undefined {
    if (engineInForce(this.#server, this.#setting()) !== 'Calico') return undefined;
    if ([CALICO_STAGED, CALICO_STAGED_POLICY].some((kind) => !isWritable(this.#server, kind)))
      return undefined;
    const { observed, inputs } = this.#recorder;
    const ownerOf: OwnerOf = (object) => observed.ownerOf(object as NetworkPolicy);
    return unmetStaged(inputs.current(namespace), namespace, this.state(namespace), ownerOf);
  }

  /**
   * True if a profile asks for strict mutual TLS in a namespace that has none, so that its condition has to say why: most
   * often, a rule has a peer that strict mutual TLS would cut.
   */
  lacksStrict(profile: string): boolean {
    if (this.#mesh === undefined || !isFound(this.#storage)) return false;
    if (MESH_KINDS.some((kind) => !isWritable(this.#server, kind))) return false;
    const { inputs, observed } = this.#recorder;
    return NAMESPACES.filter((each) => each !== this.#rootNamespace).some((namespace) => {
      const current = inputs.current(namespace);
      const asking = overlaying(current, namespace).find(({ metadata }) => metadata.name === profile);
      const isInjected =
        current.labels?.['istio-injection'] === 'enabled' || isLabelledAmbient(current.labels);
      const isIsolated = observed
        .policies(namespace)
        .some((each) => isolatesAll(each.spec, 'Ingress') && observed.ownerOf(each) === profile);
      if (asking === undefined || !asksForStrict(asking) || !isInjected || !isIsolated) return false;
      return !this.#objects(namespace).some(
        ({ kind, object }) => kind === PEER_AUTHENTICATION && this.#isOwned(object),
      );
    });
  }

  /** Describes how the guard of a profile differs from what the profile asks for; undefined if it does not. */
  unmetGuard(name: string): string | undefined {
    return this.#guards?.unmet(name, this.#clusterObjects());
  }

  /** The status that the condition of a guard should have; undefined if either may be. */
  guardStatus(name: string): 'True' | 'False' | undefined {
    return this.#guards?.status(name);
  }

  /** The objects of kinds of the cluster, as the API server serves them. */
  #clusterObjects(): EngineObject[] {
    return this.#objects(undefined);
  }

  /**
   * True if all profiles as they were in this round have a rule for the extension, or an unresolved peer whose rule it has, and
   * its direction is isolated: where it is postponed, the extension allows nothing that is not open. A cover isolates nothing.
   */
  #isWanted(kind: Kind, object: Stored): boolean {
    const { name, namespace = '' } = object.metadata;
    const engine = engineOfKind(kind);
    if (engine === undefined || !this.#recorder.observed.labels.has(namespace)) return false;
    const { policies } = this.state(namespace);
    const notes = notesOf(object);
    const isKnown = ({ rule, peer }: RuleNote) =>
      notes.some((note) => note?.rule === rule && note.peer === peer);
    return this.#recorder.inputs
      .combinations(namespace)
      .every((each) =>
        desiredExtensions(each, namespace, policies).some(
          ({ metadata, direction, rules, unresolved }) =>
            (engine.namePrefix ?? '') + metadata.name === name &&
            policies.some((each) => isolates(each.spec).includes(direction) && !isTransitionalCover(each)) &&
            (rules.length > 0 || unresolved.some(isKnown)),
        ),
      );
  }

  /** The policies and objects of a namespace now. */
  state(namespace: string, pushed = this.#pushed): NamespaceState {
    return {
      policies: this.#recorder.observed.policies(namespace),
      objects: this.#objects(namespace),
      pushed: pushed.filter(({ metadata }) => metadata.namespace === namespace),
    };
  }

  /** The state now, and those that there may be: ztunnel may have got later AuthorizationPolicies. */
  #states(namespace: string): NamespaceState[] {
    const now = this.state(namespace);
    if (this.#pending.length === 0 || this.#place(namespace).isAmbient?.(namespace) !== true) return [now];
    const states = [now, ...this.#pending.map((pushed) => this.state(namespace, pushed))];
    return [...new Map(states.map((state) => [keyOf(state), state])).values()];
  }

  /** The objects as the API server serves them: an older definition hides fields. */
  #objects(namespace: string | undefined): EngineObject[] {
    return ENGINE_KINDS.flatMap((kind) => {
      const schema = schemaOf(kind, this.#storage.get(DEFINITION, definitionName(kind)));
      if (schema === undefined) return [];
      return [...this.#storage.values(kind)]
        .filter(({ metadata }) => (metadata.namespace ?? namespace) === namespace)
        .map((object) => ({ kind, object: inForm(object, schema) }));
    });
  }

  /** True if objects of somebody else isolate pods of the namespace, so that NetworkPolicies alone do not say what is cut. */
  isIsolatedByOthers(namespace: string): boolean {
    const place = this.#place(namespace);
    return this.#objects(namespace).some(
      ({ kind, object }) =>
        !this.#isOwned(object) &&
        effectsOf(kind, object, place).some(
          ({ layer, spec }) => layer === undefined && isolates(spec).length > 0,
        ),
    );
  }

  #isOwned(object: Stored): boolean {
    const ownerOf: OwnerOf = (each) => this.#recorder.observed.ownerOf(each as NetworkPolicy);
    return ownerOf(object) !== undefined;
  }

  /** Equal as long as the place of a namespace is. */
  #placeKey(namespace: string): string {
    const labels = JSON.stringify(this.#recorder.observed.labels.get(namespace));
    const { isInMesh, isAmbient } = this.#place(namespace);
    const members = this.#mesh === undefined ? [] : NAMESPACES.filter(isInMesh);
    const ambient = isAmbient === undefined ? [] : NAMESPACES.filter(isAmbient);
    return `${labels} ${members.join()} ${ambient.join()}`;
  }

  #place(namespace: string): Place {
    const labels = this.#recorder.observed.labels.get(namespace) ?? {};
    return (
      this.#mesh?.place({ name: namespace, labels }) ?? { name: namespace, labels, isInMesh: () => false }
    );
  }

  /** False for an object of somebody else of which the operator can't know: its configuration names another engine. */
  #isKnown({ kind, object }: EngineObject): boolean {
    const engine = engineOfKind(kind)?.engine;
    const setting = this.#setting();
    return engine === undefined || setting === 'Auto' || setting === engine || this.#isOwned(object);
  }

  #begin(namespace: string): void {
    this.#seen.delete(namespace);
    this.#known.delete(namespace);
    this.#note(namespace, false);
  }

  #note(namespace: string, isOwn: boolean): void {
    const add = (to: Map<string, Map<string, KnownState>>, each: NamespaceState) => {
      const states = to.get(namespace) ?? new Map<string, KnownState>();
      const key = keyOf(each);
      if (!states.has(key)) to.set(namespace, states.set(key, { ...each, id: this.#nextId++ }));
    };
    add(this.#seen, this.state(namespace));
    if (!isOwn) for (const each of this.#states(namespace)) add(this.#known, each);
  }

  #fault(namespace: string): string | undefined {
    const { labels } = this.#recorder.observed;
    if (!labels.has(namespace)) return undefined;
    // After a change by somebody else, only the forms that istiod has passed on can be told to be the operator's doing.
    const states = this.#isChangedByOthers ? [this.state(namespace)] : this.#states(namespace);
    for (const state of states) {
      const fault = this.#judge.fault({
        namespace,
        policies: this.#total(namespace, state),
        references: this.#referencesOf(namespace),
        labels,
        mayCut: !hasStablePods(namespace),
        tunnel: this.#mesh?.tunnel(),
      });
      if (fault !== undefined)
        return state === states[0] ? fault : `${fault}, if istiod passes policies on now`;
    }
    return undefined;
  }

  #total(namespace: string, state: NamespaceState): readonly LayeredPolicy[] {
    const labels = this.#placeKey(namespace);
    const key = `${this.#setting()} ${namespace} ${labels} ${keyOf(state)}`;
    let total = this.#totals.get(key);
    if (total === undefined) {
      const place = this.#place(namespace);
      const effects = objectsIn(state, place)
        .filter((each) => this.#isKnown(each))
        .flatMap(({ kind, object }) => effectsOf(kind, object, place));
      this.#totals.set(key, (total = [...state.policies, ...effects]));
    }
    return total;
  }

  #referencesOf(namespace: string): readonly (readonly LayeredPolicy[])[] {
    const known = [...(this.#known.get(namespace)?.values() ?? [])];
    const seen = [...(this.#seen.get(namespace)?.values() ?? [])];
    const combinations = this.#recorder.inputs.combinations(namespace);
    const place = `${this.#placeKey(namespace)} ${this.#restrictionKey(namespace)}`;
    const key = `${this.#setting()} ${place} ${combinations.map((each) => each.key).join()} ${seen.length} ${known.length}`;
    const cached = this.#references.get(namespace);
    if (cached?.key === key) return cached.all;
    const all = new Set(known.flatMap((state) => this.#knownTotals(namespace, state)));
    const written = this.#written(namespace, combinations, known);
    for (const combination of combinations)
      for (const state of this.#isFixed(namespace, combination) ? basesOf(combination, known) : seen)
        for (const objects of this.#objectsBy(namespace, combination, { state, written }))
          for (const each of this.#intents(namespace, combination, { state, objects })) all.add(each);
    const references = [...all];
    this.#references.set(namespace, { key, all: references });
    return references;
  }

  /**
   * The objects once the combination is enforced. Where no engine carries extensions by it, those stay that somebody else than
   * the operator has left, or that the operator wrote for the same intent before it learned of that.
   */
  #objectsBy(
    namespace: string,
    combination: Combination,
    { state, written }: { readonly state: KnownState; readonly written: readonly Written[] },
  ): readonly Standing[] {
    if (isCarried(combination))
      return [{ key: '', objects: () => this.#carriedObjects(namespace, combination, state) }];
    const standing = written.filter(({ by }) => by === undefined || by.intent === combination.intent);
    return [...new Map(standing.map((each) => [each.key, each])).values()];
  }

  /** The objects of each known state, and those that combinations make of them. Guards and overlays have bounds of their own. */
  #written(
    namespace: string,
    combinations: readonly Combination[],
    known: readonly KnownState[],
  ): readonly Written[] {
    const carried = combinations.filter(isCarried);
    if (carried.length === combinations.length) return [];
    const written = (list: readonly EngineObject[], by?: Combination): Written => {
      const objects = list.filter((each) => !this.#isRestricting(each) || this.#isRetained(each));
      return { by, key: effectKey(objects), objects: () => objects };
    };
    return known.flatMap((state) => [
      written(state.objects),
      ...carried.map((each) => written(this.#carriedObjects(namespace, each, state), each)),
    ]);
  }

  /** The objects once the extensions of a combination are in place. */
  #carriedObjects(namespace: string, combination: Combination, state: KnownState): readonly EngineObject[] {
    const key = `${namespace} ${combination.key} ${state.id}`;
    let objects = this.#carried.get(key);
    if (objects === undefined) {
      objects = objectsOf(combination, namespace, state, this.#formerOwnerOf);
      this.#carried.set(key, objects);
    }
    return objects;
  }

  /** True for guards and objects of a mesh that the operator owns, or has left behind. */
  #isRestricting({ kind, object }: EngineObject): boolean {
    if (kind !== this.#guards?.guard && !MESH_KINDS.includes(kind)) return false;
    return this.#formerOwnerOf(object) !== undefined;
  }

  /** True if a deleted profile has left the object behind: it is somebody else's from now on. */
  #isRetained({ kind, object }: EngineObject): boolean {
    const { namespace, name, uid } = object.metadata;
    const { metadata } = this.#storage.get(kind, `${namespace}/${name}`) ?? {};
    const isThere = metadata?.uid === uid && metadata?.ownerReferences?.some(isProfileReference) !== true;
    return isThere && !this.#isOwned(object);
  }

  /**
   * A profile may be gone by now that still owned objects in an earlier state, and somebody may have removed their labels
   * since: the process that has written them knows them by their uids.
   */
  readonly #formerOwnerOf: OwnerOf = (object) =>
    this.#recorder.observed.ownerOf(object as NetworkPolicy) ?? this.#created.get(object.metadata.uid ?? '');

  /** True if the intent does not depend on states of this round, as no peer is unresolved. */
  #isFixed(namespace: string, combination: Combination): boolean {
    const key = `${namespace} ${combination.key}`;
    let isFixed = this.#fixed.get(key);
    if (isFixed === undefined) this.#fixed.set(key, (isFixed = !isUnresolved(combination, namespace)));
    return isFixed;
  }

  /** The policies of all layers once the combination is enforced from a state on, beside each state of the foreign policies. */
  #intents(
    namespace: string,
    combination: Combination,
    { state, objects }: { readonly state: KnownState; readonly objects: Standing },
  ): readonly (readonly LayeredPolicy[])[] {
    const place = `${this.#placeKey(namespace)} ${this.#restrictionKey(namespace)}`;
    const key = `${this.#setting()} ${namespace} ${place} ${combination.key} ${state.id} ${objects.key}`;
    let intents = this.#intended.get(key);
    if (intents === undefined) {
      const isOpen = this.#guards !== undefined && isUnresolved(combination, namespace);
      const list = objects.objects();
      intents = [
        ...this.#recorder.intents(namespace, combination, state.policies),
        // A direction with unresolved peers may be postponed: a guard alone denies there, and goes with its profile.
        ...(isOpen ? [state.policies] : []),
      ].flatMap((policies) => {
        // Most states lead to the same policies.
        const own = `${this.#setting()} ${place} ${namespace} ${combination.key} ${objects.key} ${this.#idOf(policies)}`;
        let found = objects.key === '' ? undefined : this.#intended.get(own);
        if (found === undefined) {
          found = this.#restricted(namespace, combination, { policies, objects: list });
          if (objects.key !== '') this.#intended.set(own, found);
        }
        return found;
      });
      this.#intended.set(key, intents);
    }
    return intents;
  }

  #idOf(policies: readonly NetworkPolicy[]): number {
    const id = this.#ids.get(policies) ?? this.#nextId++;
    this.#ids.set(policies, id);
    return id;
  }

  /** Changes with all that the bounds of guards and overlays depend on. */
  #restrictionKey(namespace: string): string {
    if (this.#guards === undefined && this.#mesh === undefined) return '';
    return `${this.#guards?.key} ${this.#mesh?.key} ${this.#known.get(namespace)?.size}`;
  }

  /**
   * A guard and an overlay are loosened each in its own time: meanwhile somebody else's policy may open a flow that the one
   * denied and the other is to deny. So beside guards, overlays count for nothing in what may pass.
   */
  #knownTotals(namespace: string, state: KnownState): (readonly LayeredPolicy[])[] {
    const total = this.#total(namespace, state);
    if (this.#guards === undefined || this.#mesh === undefined) return [total];
    const objects = state.objects.filter(
      ({ kind, object }) => !MESH_KINDS.includes(kind) || !this.#isOwned(object),
    );
    return [total, this.#total(namespace, { ...state, objects })];
  }

  /** An intent with the bounds of what its guards and overlays deny. */
  #restricted(
    namespace: string,
    combination: Combination,
    { policies, objects }: NamespaceState,
  ): readonly (readonly LayeredPolicy[])[] {
    if (this.#guards === undefined && this.#mesh === undefined)
      return [this.#total(namespace, { policies, objects })];
    const restricting = objects.filter((each) => this.#isRestricting(each));
    const retained = restricting.filter((each) => this.#isRetained(each));
    const others = objects.filter((each) => !restricting.includes(each));
    return [
      ...this.#bounded(namespace, combination, { policies, objects: others }),
      // Retained ones restrict, until then beside those of other profiles.
      ...(retained.length === 0
        ? []
        : this.#bounded(namespace, combination, { policies, objects: [...others, ...retained] })),
    ];
  }

  /** @param state an intent without what guards and overlays deny */
  #bounded(
    namespace: string,
    combination: Combination,
    state: NamespaceState,
  ): readonly (readonly LayeredPolicy[])[] {
    const { policies } = state;
    const place = this.#place(namespace);
    const open = this.#total(namespace, state);
    const states = [...(this.#known.get(namespace)?.values() ?? [])];
    const guards = this.#guards?.bounds(combination, {
      place,
      policies,
      known: (profile) => states.map((state) => ownObjects(state, this.#guards?.guard, profile)),
    }) ?? { least: [[]], most: [[]] };
    const profiles = new Set(combination.profiles.map(({ asItIs }) => asItIs?.metadata.name ?? ''));
    const own = policies.filter(({ metadata }) => profiles.has(metadata.labels?.[LABEL_PROFILE] ?? 'nobody'));
    const known = states.map((state) => ({
      objects: state.objects.filter(({ object }) => object.metadata.labels?.[LABEL_PROFILE] !== undefined),
      isIsolated: state.policies.some(
        (each) => isolatesAll(each.spec, 'Ingress') && !isTransitionalCover(each),
      ),
      isOpened: state.policies.some(
        ({ metadata, spec }) =>
          metadata.labels?.[LABEL_PROFILE] === undefined && (spec.ingress ?? []).length > 0,
      ),
    }));
    const context = { place, own, known };
    const mesh = this.#mesh?.bounds(combination, context) ?? { least: [], most: [] };
    const most = [...open.map(asMeant), ...(this.#guards === undefined ? mesh.most : [])];
    const least = [
      ...open.map(this.#mesh?.atLeast(combination, context) ?? ((policy) => policy)),
      ...mesh.least,
    ];
    return [
      ...guards.most.map((guard) => [...most, ...guard]),
      ...guards.least.map((guard) => [...least, ...guard]),
    ];
  }
}

function isCarried({ facts }: Combination): boolean {
  return engineOf(facts.engine()) !== undefined;
}

/** The states that an intent may begin with. Without extensions and exceptions it is the same from all of them. */
function basesOf(combination: Combination, known: readonly KnownState[]): readonly KnownState[] {
  return isCarried(combination) || combination.exceptions.length > 0 ? known : known.slice(0, 1);
}

/** Equal for objects that do the same. */
function effectKey(objects: readonly EngineObject[]): string {
  return canonicalJSON(
    objects.map(({ kind, object }) => [definitionName(kind), object.metadata.name, object['spec']]),
  );
}

/** The objects of a kind that a profile has by their labels. */
function ownObjects({ objects }: NamespaceState, of: Kind | undefined, profile: string): Stored[] {
  return objects.flatMap(({ kind, object }) =>
    kind === of && object.metadata.labels?.[LABEL_PROFILE] === profile ? [object] : [],
  );
}

/** In ambient mode, those AuthorizationPolicies have an effect by which ztunnel goes. */
function objectsIn({ objects, pushed }: NamespaceState, { name, isAmbient }: Place): readonly EngineObject[] {
  if (pushed === undefined || isAmbient?.(name) !== true) return objects;
  return [
    ...objects.filter(({ kind }) => kind !== AUTHORIZATION_POLICY),
    ...pushed.map((object) => ({ kind: AUTHORIZATION_POLICY, object })),
  ];
}

/** True if both differ in nothing but status. Under an older definition, a write of the status removes fields of the spec. */
function isSameForm(object: Stored, previous: Stored | undefined): boolean {
  const formOf = ({ metadata, ...rest }: Stored) => {
    const { labels, annotations, ownerReferences, generation } = metadata;
    return canonicalJSON([labels, annotations, ownerReferences, generation, rest['spec']]);
  };
  return previous !== undefined && formOf(object) === formOf(previous);
}

/** A policy of an intent means the ports that it names, also where a tunnel carries connections to them. Guards do not know these. */
function asMeant(policy: LayeredPolicy): LayeredPolicy {
  return policy.layer === undefined || policy.layer === 'extension' ? { ...policy, sees: 'either' } : policy;
}

/** True if the tunnel carries the flow, by its description. */
function isThrough(flow: string, { carries }: Tunnel, namespace: string): boolean {
  const peer = / peer ([^/,]+)\//.exec(flow)?.[1];
  return peer !== undefined && carries(namespace, peer);
}

interface KnownState extends NamespaceState {
  readonly id: number;
}

/** Objects of a namespace, by a key that is equal for equal ones. */
interface Standing {
  readonly key: string;
  readonly objects: () => readonly EngineObject[];
}

interface Written extends Standing {
  /** The combination that the objects are for; undefined for those of a known state. */
  readonly by: Combination | undefined;
}

/** The pods of a namespace, each with another account. @param pods in the order of their names */
export function withAccounts(pods: readonly Pod[]): Pod[] {
  return pods.map((pod, index) => ({
    ...pod,
    labels: { ...pod.labels, [ACCOUNT]: ACCOUNTS[index % ACCOUNTS.length] ?? '' },
  }));
}

function keyOf({ policies, objects, pushed = [] }: NamespaceState): string {
  return canonicalJSON([
    policies.map(({ metadata, spec }) => [metadata.name, metadata.annotations, metadata.labels, spec]),
    pushed.map(({ metadata, ...rest }) => [metadata.name, rest['spec']]),
    objects.map(({ kind, object }) => [
      definitionName(kind),
      object.metadata.name,
      object.metadata.annotations,
      object.metadata.labels,
      object['spec'],
    ]),
  ]);
}
