/** The extensions of one engine: what its own policies carry, and the writes of each namespace, planned from the watched objects. */
import type { KubeObject } from '../../api/meta.ts';
import type { ExtensionEngine } from '../../engines/extensions/engine.ts';
import { companionsOf } from '../../engines/extensions/companions.ts';
import { planExtensions } from '../../engines/extensions/plan.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import type { EngineFacts } from '../../policy/extensions.ts';
import type { UnknownIsolation } from '../../policy/planning/transition.ts';
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
  readonly #objects: EngineObjects;
  /** The facts for the state, the same object each time: resolutions of peers are cached by it. */
  #known: { readonly state: ObjectsState; readonly facts: EngineFacts } | undefined;

  constructor(options: ExtensionsOptions) {
    const { engine, onFacts, onDrift } = options;
    this.#engine = engine;
    const { foreign } = engine;
    const kind = { ...engine, ...(foreign && { foreignPart: foreign.part }) };
    this.#objects = new EngineObjects(kind, options, {
      onState: () => {
        onFacts();
        for (const namespace of this.#ownNamespaces()) onDrift(namespace);
      },
      onDrift,
    });
  }

  stop(): Promise<void> {
    return this.#objects.stop();
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

  /** Policies of the cluster are not read; those of the namespace matter only to an engine whose own policies isolate. */
  unknownIsolation(namespace: string): UnknownIsolation {
    const { foreign, kind } = this.#engine;
    if (foreign === undefined) return {};
    const { state } = this.#objects;
    if (state.kind === 'unknown') {
      const message = `waiting to read ${kind.plural}.${kind.group}, which may isolate pods too`;
      return { forCovers: { message, needsPerson: false } };
    }
    if (state.kind === 'missing' && state.reason === 'NotInstalled')
      return { forCovers: { message: state.message, needsPerson: true } };
    const unclear = this.#foreignIn(namespace).filter((object) => foreign.isolation(object) === 'unclear');
    if (unclear.length === 0) return {};
    const names = shortList(unclear.map(({ metadata }) => `${namespace}/${metadata.name}`));
    const message =
      `pods that ${names} may isolate would be opened for a moment, as no label selector says which they are: write its ` +
      'selector as terms with == and has(), joined by &&, or isolate the pods of the namespace by a NetworkPolicy';
    return { forCovers: { message, needsPerson: true } };
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
    const own = observed.filter((object) => this.#ownerOf(object) !== undefined);
    const foreign = this.#foreignIn(namespace);
    const companions = companionsOf({ own, foreign }, { widen, narrow }, this.#engine);
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
