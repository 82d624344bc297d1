/**
 * The policies of all layers that a namespace may have: those before, and those of each intent since. Nothing may be wider than
 * all of them together, nor narrower than what all of them allow.
 */
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { EngineSetting } from '../../../../src/engines/engine.ts';
import { LABEL_PROFILE } from '../../../../src/api/names.ts';
import { isolatesAll } from '../../../../src/policy/planning/effect.ts';
import { isTransitionalCover } from '../../../../src/policy/planning/transition.ts';
import { isProfileReference } from '../../../../src/policy/semantics/normalize.ts';
import { isTunnel } from '../../../../src/policy/tunnels.ts';
import { canonicalJSON } from '../../../../src/util/canonical-json.ts';
import type { LayeredPolicy } from '../../../support/judge/judge.ts';
import type { Combination } from '../../schedule/combination.ts';
import type { Kind, Stored } from '../../server/kinds.ts';
import type { Storage } from '../../server/storage.ts';
import { definitionName } from '../../server/definitions.ts';
import type { ObservedCluster } from '../../judge/observed-cluster.ts';
import { type Inputs, isUnresolved } from '../../schedule/inputs.ts';
import { type EngineObject, engineOf, type NamespaceState, objectsOf } from '../references.ts';
import type { GuardJudge } from './guard-judge.ts';
import { MESH_KINDS } from '../mesh.ts';
import type { MeshJudge } from './mesh-bounds.ts';
import type { KnownState, NamespaceStates } from './namespace-states.ts';

/** The recorder of NetworkPolicies and of the operator's inputs. */
export interface PolicyRecorder {
  readonly observed: ObservedCluster;
  readonly inputs: Inputs;
  /** The NetworkPolicies when a combination of inputs is enforced, beside each state of the foreign ones. */
  intents(
    namespace: string,
    combination: Combination,
    base: readonly NetworkPolicy[],
  ): (readonly NetworkPolicy[])[];
  /** Changes with the edits of the operator's policies that a leader could not know as it wrote. */
  missedEdits(namespace: string): string;
  /** True if the leader knew the present labels of a namespace as it sent its latest write of a NetworkPolicy there. */
  knewLabels(leader: string, namespace: string): boolean;
}

export interface TotalReferencesOptions {
  readonly recorder: PolicyRecorder;
  readonly states: NamespaceStates;
  readonly storage: Storage;
  readonly setting: () => EngineSetting;
  /** Absent if the configuration names no mesh. */
  readonly mesh: MeshJudge | undefined;
  /** Absent if the configuration names no kind of policies for guards. */
  readonly guards: GuardJudge | undefined;
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

export class TotalReferences {
  readonly #recorder: PolicyRecorder;
  readonly #states: NamespaceStates;
  readonly #storage: Storage;
  readonly #setting: () => EngineSetting;
  readonly #mesh: MeshJudge | undefined;
  readonly #guards: GuardJudge | undefined;
  readonly #intended = new Map<string, readonly (readonly LayeredPolicy[])[]>();
  readonly #fixed = new Map<string, boolean>();
  readonly #carried = new Map<string, readonly EngineObject[]>();
  readonly #ids = new WeakMap<readonly NetworkPolicy[], number>();
  #nextId = 0;
  readonly #references = new Map<
    string,
    { readonly key: string; readonly all: (readonly LayeredPolicy[])[] }
  >();

  constructor({ recorder, states, storage, setting, mesh, guards }: TotalReferencesOptions) {
    this.#recorder = recorder;
    this.#states = states;
    this.#storage = storage;
    this.#setting = setting;
    this.#mesh = mesh;
    this.#guards = guards;
  }

  beginRound(): void {
    this.#references.clear();
    this.#intended.clear();
    this.#fixed.clear();
    this.#carried.clear();
  }

  of(namespace: string): readonly (readonly LayeredPolicy[])[] {
    const known = this.#states.known(namespace);
    const seen = this.#states.seen(namespace);
    const combinations = this.#recorder.inputs.combinations(namespace);
    const place = this.#placeKey(namespace);
    const key = `${this.#setting()} ${place} ${combinations.map((each) => each.key).join()} ${seen.length} ${known.length}`;
    const cached = this.#references.get(namespace);
    if (cached?.key === key) return cached.all;
    const all = new Set(known.flatMap((state) => this.#knownTotals(namespace, state)));
    const written = this.#written(namespace, combinations, known);
    for (const combination of combinations)
      for (const state of this.#isFixed(namespace, combination) ? basesOf(combination, known) : seen)
        for (const objects of this.#objectsBy(namespace, combination, { state, written }))
          for (const each of this.#intents(namespace, combination, { state, objects })) all.add(each);
    for (const combination of combinations)
      for (const each of this.#leftOpen(namespace, combination, { known, written })) all.add(each);
    const references = [...all];
    this.#references.set(namespace, { key, all: references });
    return references;
  }

  /**
   * Flows that somebody else has opened pass until the operator has restored its policies, but for those that guards and overlays
   * of the intent deny: a guard ends in its own time. A tunnel is closed before its overlay goes, whatever others do.
   */
  #leftOpen(
    namespace: string,
    combination: Combination,
    { known, written }: { readonly known: readonly KnownState[]; readonly written: readonly Written[] },
  ): readonly (readonly LayeredPolicy[])[] {
    if (this.#guards === undefined) return [];
    return known.slice(1).flatMap((state) => {
      const policies = state.policies.filter((each) => !isTunnel(each));
      return this.#objectsBy(namespace, combination, { state, written }).flatMap(({ objects }) =>
        this.#restricted(namespace, combination, { policies, objects: objects() }),
      );
    });
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
    if (isCarried(combination)) {
      const carried = { key: '', objects: () => this.#carriedObjects(namespace, combination, state) };
      return this.#states.isUnmarked(state)
        ? [carried, this.#afterRestart(namespace, combination, state)]
        : [carried];
    }
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

  /** The same where the operator has been started since somebody removed the marks of its objects: they are somebody else's. */
  #afterRestart(namespace: string, combination: Combination, state: KnownState): Standing {
    const objects = objectsOf(combination, namespace, state, this.#states.ownerOf);
    return { key: `after a restart ${effectKey(objects)}`, objects: () => objects };
  }

  /** The objects once the extensions of a combination are in place. */
  #carriedObjects(namespace: string, combination: Combination, state: KnownState): readonly EngineObject[] {
    const key = `${namespace} ${combination.key} ${state.id}`;
    let objects = this.#carried.get(key);
    if (objects === undefined) {
      objects = objectsOf(combination, namespace, state, this.#states.formerOwnerOf);
      this.#carried.set(key, objects);
    }
    return objects;
  }

  /** True for guards and objects of a mesh that the operator owns, or has left behind. */
  #isRestricting({ kind, object }: EngineObject): boolean {
    if (kind !== this.#guards?.guard && !MESH_KINDS.includes(kind)) return false;
    return this.#states.formerOwnerOf(object) !== undefined;
  }

  /** True if a deleted profile has left the object behind: it is somebody else's from now on. */
  #isRetained({ kind, object }: EngineObject): boolean {
    const { namespace, name, uid } = object.metadata;
    const { metadata } = this.#storage.get(kind, `${namespace}/${name}`) ?? {};
    const isThere = metadata?.uid === uid && metadata?.ownerReferences?.some(isProfileReference) !== true;
    return isThere && !this.#states.isOwned(object);
  }

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
    const place = this.#placeKey(namespace);
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

  /** Changes with all that the intents of a namespace depend on, apart from their inputs. */
  #placeKey(namespace: string): string {
    const missed = this.#recorder.missedEdits(namespace);
    return `${this.#states.placeKey(namespace)} ${this.#restrictionKey(namespace)} ${missed}`;
  }

  /** Changes with all that the bounds of guards and overlays depend on. */
  #restrictionKey(namespace: string): string {
    if (this.#guards === undefined && this.#mesh === undefined) return '';
    return `${this.#guards?.key} ${this.#mesh?.key} ${this.#states.known(namespace).length}`;
  }

  /**
   * A guard and an overlay are loosened each in its own time: meanwhile somebody else's policy may open a flow that the one
   * denied and the other is to deny. So beside guards, overlays count for nothing in what may pass.
   */
  #knownTotals(namespace: string, state: KnownState): (readonly LayeredPolicy[])[] {
    const total = this.#states.total(namespace, state);
    if (this.#guards === undefined || this.#mesh === undefined) return [total];
    const objects = state.objects.filter(
      ({ kind, object }) => !MESH_KINDS.includes(kind) || !this.#states.isOwned(object),
    );
    return [total, this.#states.total(namespace, { ...state, objects })];
  }

  /** An intent with the bounds of what its guards and overlays deny. */
  #restricted(
    namespace: string,
    combination: Combination,
    { policies, objects }: NamespaceState,
  ): readonly (readonly LayeredPolicy[])[] {
    if (this.#guards === undefined && this.#mesh === undefined)
      return [this.#states.total(namespace, { policies, objects })];
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
    const place = this.#states.place(namespace);
    const open = this.#states.total(namespace, state);
    const states = this.#states.known(namespace);
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

/** A policy of an intent means the ports that it names, also where a tunnel carries connections to them. Guards do not know these. */
export function asMeant(policy: LayeredPolicy): LayeredPolicy {
  return policy.layer === undefined || policy.layer === 'extension' ? { ...policy, sees: 'either' } : policy;
}
