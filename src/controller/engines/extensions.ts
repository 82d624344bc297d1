/** The extensions of one engine: what its own policies carry, and the writes of each namespace, planned from the watched objects. */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { ExtensionEngine, Isolation } from '../../engines/extensions/engine.ts';
import { companionsOf } from '../../engines/extensions/companions.ts';
import { planExtensions } from '../../engines/extensions/plan.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import type { EngineFacts } from '../../policy/extensions.ts';
import { withOwnerLabels } from '../../policy/ownership.ts';
import type { UnknownForCovers, UnknownIsolation } from '../../policy/planning/transition.ts';
import { shortList } from '../../util/list-text.ts';
import {
  type DesiredExtensions,
  type ExtensionWriteContext,
  type ExtensionWrites,
  NOTHING_TO_WRITE,
} from '../engine-support.ts';
import { EngineObjects, type EngineObjectsOptions, type ObjectsState } from './objects.ts';

export interface ExtensionsOptions extends EngineObjectsOptions {
  readonly engine: ExtensionEngine;
  /** Called when the kinds that can be written, or the reason why they can't, have changed. */
  readonly onFacts: () => void;
  readonly onDrift: (namespace: string) => void;
}

/** Created when the engine comes into force, and stopped when another one does. */
export class Extensions {
  readonly #engine: ExtensionEngine;
  readonly #clusterState: ClusterState;
  readonly #objects: EngineObjects;
  /** The engine's policies of the cluster, which may isolate pods too; undefined if there are none. */
  readonly #ofCluster: EngineObjects | undefined;
  /** Namespaces in which a policy of the cluster hinders a transition. */
  readonly #hindered = new Set<string>();
  /** The facts for the state, the same object each time: resolutions of peers are cached by it. */
  #known: { readonly state: ObjectsState; readonly facts: EngineFacts } | undefined;

  constructor(options: ExtensionsOptions) {
    const { engine, clusterState, onFacts, onDrift } = options;
    this.#engine = engine;
    this.#clusterState = clusterState;
    const { foreign } = engine;
    const kind = { ...engine, ...(foreign && { foreignPart: foreign.part }) };
    this.#objects = new EngineObjects(kind, options, {
      onState: () => {
        onFacts();
        for (const namespace of this.#ownNamespaces()) onDrift(namespace);
      },
      onDrift,
    });
    if (foreign?.ofCluster === undefined) return;
    const planHindered = () => {
      for (const namespace of this.#hindered) onDrift(namespace);
      this.#hindered.clear();
    };
    this.#ofCluster = new EngineObjects(
      { ...engine, kind: foreign.ofCluster.kind, foreignPart: foreign.part, isOnlyRead: true },
      options,
      { onState: planHindered, onDrift: planHindered },
    );
  }

  async stop(): Promise<void> {
    await Promise.all([this.#objects.stop(), this.#ofCluster?.stop()]);
  }

  get failure(): string | undefined {
    return this.#objects.failure;
  }

  /** Undefined until the objects were listed once, or can't be. */
  facts(): EngineFacts | undefined {
    const { state } = this.#objects;
    if (state.kind === 'unknown') return undefined;
    if (this.#known?.state !== state)
      this.#known = { state, facts: { ...state, carries: this.#engine.carries } };
    return this.#known.facts;
  }

  /** False before the first list, if the engine's policies isolate their pods. */
  get isKnown(): boolean {
    return this.#engine.asPolicy === undefined || this.#objects.state.kind !== 'unknown';
  }

  /** Policies of others matter only to an engine whose own policies isolate. */
  unknownIsolation(namespace: string): UnknownIsolation {
    const { foreign, kind } = this.#engine;
    if (foreign === undefined) return {};
    const unread = unreadOf(this.#objects, kind) ?? this.#unreadOfCluster();
    if (unread !== undefined) {
      this.#hindered.add(namespace);
      return { forCovers: unread };
    }
    const unclear = this.#foreignIn(namespace)
      .filter((object) => foreign.isolation(object) === 'unclear')
      .map(({ metadata }) => `${namespace}/${metadata.name}`);
    const ofCluster = this.#isolationsIn(namespace).filter(({ isolation }) => isolation === 'unclear');
    if (unclear.length + ofCluster.length === 0) return {};
    this.#hindered.add(namespace);
    const names = shortList([...unclear, ...ofCluster.map(({ name }) => name)]);
    const message =
      `pods that ${names} may isolate would be opened for a moment, as no label selector says which they are: write its ` +
      'selector as terms with == and has(), joined by &&, or isolate the pods of the namespace by a NetworkPolicy';
    return { forCovers: { message, needsPerson: true } };
  }

  #unreadOfCluster(): UnknownForCovers | undefined {
    const { ofCluster } = this.#engine.foreign ?? {};
    return ofCluster && this.#ofCluster && unreadOf(this.#ofCluster, ofCluster.kind);
  }

  /** The pods of the namespace that each policy of the cluster isolates. */
  #isolationsIn(namespace: string): { readonly name: string; readonly isolation: Isolation }[] {
    const { ofCluster } = this.#engine.foreign ?? {};
    const item = this.#clusterState.namespaces.get(namespace);
    if (ofCluster === undefined || this.#ofCluster === undefined || item === undefined) return [];
    return [...this.#ofCluster.all()].map((object) => ({
      name: object.metadata.name,
      isolation: ofCluster.isolation(object, item),
    }));
  }

  #foreignIn(namespace: string): KubeObject[] {
    return this.#objects.in(namespace).filter((object) => this.#ownerOf(object) === undefined);
  }

  plan(namespace: string, { policies, kept, staying }: DesiredExtensions): ExtensionWrites {
    const { asPolicy } = this.#engine;
    const isWritable = this.#objects.state.kind === 'available';
    // Without permission or a schema what is there stays, unless it isolates pods and nothing asks for it any more.
    if (!isWritable && asPolicy === undefined) return NOTHING_TO_WRITE;
    const observed = this.#objects.in(namespace);
    const context = { engine: this.#engine, ownerOf: this.#ownerOf, kept, staying, isWritable };
    const { widen, narrow } = planExtensions(observed, policies, context);
    const own = observed.flatMap((object) => {
      const owner = this.#ownerOf(object);
      return owner === undefined ? [] : [withOwnerLabels(object, owner)];
    });
    const foreign = this.#foreignIn(namespace);
    const ofCluster = this.#isolationsIn(namespace).flatMap(({ name, isolation }): NetworkPolicy[] =>
      typeof isolation === 'object' ? [{ metadata: { name, namespace }, spec: isolation }] : [],
    );
    const companions = companionsOf({ own, foreign, ofCluster }, { widen, narrow }, this.#engine);
    const isolating = companions?.foreign.length ?? 0;
    if (own.length + widen.length + narrow.length + isolating === 0) return NOTHING_TO_WRITE;
    return {
      isEmpty: widen.length + narrow.length === 0,
      ...(companions && { companions }),
      widen: (writeContext) => this.#apply(widen, writeContext),
      narrow: (writeContext) => this.#apply(narrow, writeContext),
    };
  }

  readonly #ownerOf = (object: KubeObject): string | undefined => {
    const { namePrefix = '' } = this.#engine;
    return object.metadata.name.startsWith(namePrefix) ? this.#objects.ownerOf(object) : undefined;
  };

  #ownNamespaces(): Set<string> {
    const own = [...this.#objects.all()].filter((object) => this.#ownerOf(object) !== undefined);
    return new Set(own.map(({ metadata: { namespace = '' } }) => namespace));
  }

  async #apply(steps: readonly ObjectStep[], { send, signal }: ExtensionWriteContext): Promise<void> {
    for (const step of steps) {
      signal.throwIfAborted();
      await send(() => this.#objects.write(step, signal));
    }
  }
}

/** Why the objects of a kind are not known; undefined if they are, or if there is no such kind. */
function unreadOf(
  { state }: EngineObjects,
  { plural, group }: { readonly plural: string; readonly group: string },
): UnknownForCovers | undefined {
  if (state.kind === 'unknown')
    return { message: `waiting to read ${plural}.${group}, which may isolate pods too`, needsPerson: false };
  if (state.kind === 'missing' && state.reason === 'NotInstalled')
    return { message: state.message, needsPerson: true };
  return undefined;
}
