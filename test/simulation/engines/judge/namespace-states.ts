/** The states of each namespace that decide about its flows: the present one, and those that it has had in this round. */
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { EngineSetting } from '../../../../src/engines/engine.ts';
import { LABEL_PROFILE } from '../../../../src/api/names.ts';
import { isTransition } from '../../../../src/policy/planning/transition.ts';
import { isolates } from '../../../../src/policy/semantics/normalize.ts';
import { canonicalJSON } from '../../../../src/util/canonical-json.ts';
import type { LayeredPolicy } from '../../../support/judge/judge.ts';
import { NAMESPACES } from '../../schedule/actions.ts';
import { AUTHORIZATION_POLICY, DEFINITION, ENGINE_KINDS, type Stored } from '../../server/kinds.ts';
import type { Server } from '../../server/server.ts';
import type { Storage } from '../../server/storage.ts';
import { definitionName, inForm, schemaOf } from '../../server/definitions.ts';
import type { ObservedCluster } from '../../judge/observed-cluster.ts';
import { effectsOf, type Place } from '../effects.ts';
import { type EngineObject, engineOfKind, type NamespaceState, type OwnerOf } from '../references.ts';
import type { MeshJudge } from './mesh-bounds.ts';

export interface KnownState extends NamespaceState {
  readonly id: number;
}

export interface NamespaceStatesOptions {
  readonly server: Server;
  readonly observed: ObservedCluster;
  readonly setting: () => EngineSetting;
  /** Absent if the configuration names no mesh. */
  readonly mesh: MeshJudge | undefined;
}

export class NamespaceStates {
  readonly #storage: Storage;
  readonly #observed: ObservedCluster;
  readonly #setting: () => EngineSetting;
  readonly #mesh: MeshJudge | undefined;
  /** The profile's name in the labels of each object that the operator created, by the object's uid. */
  readonly #created = new Map<string, string | undefined>();
  /** The AuthorizationPolicies by which ztunnel goes. */
  #pushed: readonly Stored[] = [];
  /** The forms that they have had since: istiod may pass on each of them at any time. */
  #pending: (readonly Stored[])[] = [];
  /** True if somebody else than the operator has changed AuthorizationPolicies since ztunnel got them. */
  #isChangedByOthers = false;
  /** Each state of a namespace in this round, by its content; the first one is that at the beginning. */
  readonly #seen = new Map<string, Map<string, KnownState>>();
  /** The states at the beginning and after each change by somebody else, by content. */
  readonly #known = new Map<string, Map<string, KnownState>>();
  /** The policies of all layers in a state, by content; equal ones are one. */
  readonly #totals = new Map<string, readonly LayeredPolicy[]>();
  #nextId = 0;

  constructor({ server, observed, setting, mesh }: NamespaceStatesOptions) {
    this.#storage = server.storage;
    this.#observed = observed;
    this.#setting = setting;
    this.#mesh = mesh;
  }

  beginRound(): void {
    this.#totals.clear();
    for (const namespace of NAMESPACES) this.begin(namespace);
  }

  /** The operator has created an object. */
  created({ metadata }: Stored): void {
    this.#created.set(metadata.uid ?? '', metadata.labels?.[LABEL_PROFILE]);
  }

  isCreatedByOperator(uid: string): boolean {
    return this.#created.has(uid);
  }

  /** The AuthorizationPolicies have changed, of which istiod has not told ztunnel. */
  changed(isOwn: boolean): void {
    this.#pending.push([...this.#storage.values(AUTHORIZATION_POLICY)]);
    this.#isChangedByOthers ||= !isOwn;
  }

  /** ztunnel goes by these AuthorizationPolicies from now on. */
  push(policies: readonly Stored[]): void {
    this.#pushed = policies;
    this.#pending = [];
    const isOwn = !this.#isChangedByOthers;
    this.#isChangedByOthers = false;
    for (const namespace of NAMESPACES) this.note(namespace, isOwn);
  }

  /**
   * The states of a namespace to judge, the present one first. After a change by somebody else, only the forms that istiod has
   * passed on can be told to be the operator's doing.
   */
  judged(namespace: string): readonly NamespaceState[] {
    return this.#isChangedByOthers ? [this.state(namespace)] : this.#possible(namespace);
  }

  /** Each state of a namespace in this round, the first one that at the beginning. */
  seen(namespace: string): readonly KnownState[] {
    return [...(this.#seen.get(namespace)?.values() ?? [])];
  }

  /** The states at the beginning of the round and after each change by somebody else. */
  known(namespace: string): readonly KnownState[] {
    return [...(this.#known.get(namespace)?.values() ?? [])];
  }

  readonly ownerOf: OwnerOf = (object) => this.#observed.ownerOf(object as NetworkPolicy);

  /**
   * A profile may be gone by now that still owned objects in an earlier state, and somebody may have removed their labels
   * since: the process that has written them knows them by their uids.
   */
  readonly formerOwnerOf: OwnerOf = (object) =>
    this.ownerOf(object) ?? this.#created.get(object.metadata.uid ?? '');

  /** True if an object of the operator is told as its own by nothing but the memory of the process that wrote it. */
  isUnmarked({ objects }: NamespaceState): boolean {
    return objects.some(
      ({ object }) => this.ownerOf(object) === undefined && this.formerOwnerOf(object) !== undefined,
    );
  }

  /** The policies and objects of a namespace now. */
  state(namespace: string, pushed = this.#pushed): NamespaceState {
    return {
      policies: this.#observed.policies(namespace),
      objects: this.objects(namespace),
      pushed: pushed.filter(({ metadata }) => metadata.namespace === namespace),
    };
  }

  /** The state now, and those that there may be: ztunnel may have got later AuthorizationPolicies. */
  #possible(namespace: string): NamespaceState[] {
    const now = this.state(namespace);
    if (this.#pending.length === 0 || this.place(namespace).isAmbient?.(namespace) !== true) return [now];
    const states = [now, ...this.#pending.map((pushed) => this.state(namespace, pushed))];
    return [...new Map(states.map((state) => [keyOf(state), state])).values()];
  }

  /** The objects as the API server serves them: an older definition hides fields. */
  objects(namespace: string | undefined): EngineObject[] {
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
    const place = this.place(namespace);
    return this.objects(namespace).some(
      ({ kind, object }) =>
        !this.isOwned(object) &&
        effectsOf(kind, object, place).some(
          ({ layer, spec }) => layer === undefined && isolates(spec).length > 0,
        ),
    );
  }

  isOwned(object: Stored): boolean {
    return this.ownerOf(object) !== undefined;
  }

  /** Equal as long as the place of a namespace is. */
  placeKey(namespace: string): string {
    const labels = JSON.stringify(this.#observed.labels.get(namespace));
    const { isInMesh, isAmbient } = this.place(namespace);
    const members = this.#mesh === undefined ? [] : NAMESPACES.filter(isInMesh);
    const ambient = isAmbient === undefined ? [] : NAMESPACES.filter(isAmbient);
    return `${labels} ${members.join()} ${ambient.join()}`;
  }

  place(namespace: string): Place {
    const labels = this.#observed.labels.get(namespace) ?? {};
    return (
      this.#mesh?.place({ name: namespace, labels }) ?? { name: namespace, labels, isInMesh: () => false }
    );
  }

  /** False for an object of somebody else of which the operator can't know: its configuration names another engine. */
  #isKnown({ kind, object }: EngineObject): boolean {
    const engine = engineOfKind(kind)?.engine;
    const setting = this.#setting();
    return engine === undefined || setting === 'Auto' || setting === engine || this.isOwned(object);
  }

  begin(namespace: string): void {
    this.#seen.delete(namespace);
    this.#known.delete(namespace);
    this.note(namespace, false);
  }

  note(namespace: string, isOwn: boolean): void {
    this.#add(this.#seen, namespace, this.state(namespace));
    if (!isOwn) for (const each of this.#possible(namespace)) this.#add(this.#known, namespace, each);
  }

  #add(to: Map<string, Map<string, KnownState>>, namespace: string, state: NamespaceState): void {
    const states = to.get(namespace) ?? new Map<string, KnownState>();
    const key = keyOf(state);
    if (!states.has(key)) to.set(namespace, states.set(key, { ...state, id: this.#nextId++ }));
  }

  /** Somebody has edited a policy of the operator: a cover hides what that cuts, and goes before the operator sees it. */
  noteUncovered(namespace: string): void {
    for (const each of this.#possible(namespace)) {
      const policies = each.policies.filter((policy) => !isTransition(policy));
      if (policies.length < each.policies.length) this.#add(this.#known, namespace, { ...each, policies });
    }
  }

  total(namespace: string, state: NamespaceState): readonly LayeredPolicy[] {
    const labels = this.placeKey(namespace);
    const key = `${this.#setting()} ${namespace} ${labels} ${keyOf(state)}`;
    let total = this.#totals.get(key);
    if (total === undefined) {
      const place = this.place(namespace);
      const effects = objectsIn(state, place)
        .filter((each) => this.#isKnown(each))
        .flatMap(({ kind, object }) => effectsOf(kind, object, place));
      this.#totals.set(key, (total = [...state.policies, ...effects]));
    }
    return total;
  }
}

/** In ambient mode, those AuthorizationPolicies have an effect by which ztunnel goes. */
function objectsIn({ objects, pushed }: NamespaceState, { name, isAmbient }: Place): readonly EngineObject[] {
  if (pushed === undefined || isAmbient?.(name) !== true) return objects;
  return [
    ...objects.filter(({ kind }) => kind !== AUTHORIZATION_POLICY),
    ...pushed.map((object) => ({ kind: AUTHORIZATION_POLICY, object })),
  ];
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
