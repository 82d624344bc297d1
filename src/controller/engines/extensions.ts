/** The extensions of one engine: what its own policies carry, and the writes of each namespace, planned from the watched objects. */
import type { KubeObject } from '../../api/meta.ts';
import type { ExtensionEngine } from '../../engines/extensions/engine.ts';
import { planExtensions } from '../../engines/extensions/plan.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import type { EngineFacts } from '../../policy/extensions.ts';
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
    this.#objects = new EngineObjects(engine, options, { onState: onFacts, onDrift });
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

  plan(namespace: string, { policies, kept }: DesiredExtensions): ExtensionWrites {
    // Without permission or a schema nothing is written, and what is there stays.
    if (this.#objects.state.kind !== 'available') return NOTHING_TO_WRITE;
    const ownerOf = (object: KubeObject) => this.#objects.ownerOf(object);
    const context = { engine: this.#engine, ownerOf, kept };
    const { widen, narrow } = planExtensions(this.#objects.in(namespace), policies, context);
    if (widen.length + narrow.length === 0) return NOTHING_TO_WRITE;
    return {
      isEmpty: false,
      widen: (writeContext) => this.#apply(widen, writeContext),
      narrow: (writeContext) => this.#apply(narrow, writeContext),
    };
  }

  async #apply(steps: readonly ObjectStep[], { send, signal }: ExtensionWriteContext): Promise<void> {
    for (const step of steps) {
      signal.throwIfAborted();
      await send(() => this.#objects.write(step, signal));
    }
  }
}
