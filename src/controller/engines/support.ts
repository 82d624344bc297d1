/** The extensions of the engine in force, if the operator writes that engine's policies. */
import type { EngineInForce, EngineVerdict } from '../../engines/detection/detect.ts';
import type { ExtensionEngine } from '../../engines/extensions/engine.ts';
import type { EngineFacts } from '../../policy/extensions.ts';
import {
  type DesiredExtensions,
  type EngineListener,
  type EngineSupport,
  type ExtensionWrites,
  NOTHING_TO_WRITE,
} from '../engine-support.ts';
import { Extensions, type ExtensionsOptions } from './extensions.ts';

export type EngineExtensionsOptions = Omit<ExtensionsOptions, 'engine' | 'onFacts' | 'onDrift'> & {
  readonly engines: readonly ExtensionEngine[];
};

/** Nothing is read, and nothing is known, before `inForce` is called. */
export class EngineExtensions implements EngineSupport {
  readonly #options: EngineExtensionsOptions;
  readonly #listeners: EngineListener[] = [];
  #engine: EngineInForce | undefined;
  /** Why the engine in force carries nothing. */
  #none: EngineFacts | undefined;
  #current: Extensions | undefined;
  readonly #ending: Promise<void>[] = [];

  constructor(options: EngineExtensionsOptions) {
    this.#options = options;
  }

  subscribe(listener: EngineListener): void {
    this.#listeners.push(listener);
  }

  /** Takes an engine into force. The objects of the engine before it stay as they are. */
  inForce({ engine, message }: EngineVerdict): void {
    const none = noneFor(engine, message);
    if (engine === this.#engine && JSON.stringify(none) === JSON.stringify(this.#none)) return;
    if (engine !== this.#engine) {
      if (this.#current !== undefined) this.#ending.push(this.#current.stop());
      const found = this.#options.engines.find((each) => each.engine === engine);
      this.#current =
        found &&
        new Extensions({
          ...this.#options,
          engine: found,
          onFacts: () => this.#notifyFacts(),
          onDrift: (namespace) => this.#listeners.forEach((each) => each.onDrift(namespace)),
        });
    }
    this.#engine = engine;
    this.#none = none;
    this.#notifyFacts();
  }

  facts(): EngineFacts | undefined {
    return this.#current === undefined ? this.#none : this.#current.facts();
  }

  get failure(): string | undefined {
    return this.#current?.failure;
  }

  plan(namespace: string, desired: DesiredExtensions): ExtensionWrites {
    return this.#current?.plan(namespace, desired) ?? NOTHING_TO_WRITE;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#ending, this.#current?.stop()]);
  }

  #notifyFacts(): void {
    for (const each of this.#listeners) each.onFacts();
  }
}

function noneFor(engine: EngineInForce, verdict: string): EngineFacts {
  const message =
    engine === 'Unknown'
      ? `the network engine is not known: ${verdict}`
      : engine === 'None'
        ? 'no network engine runs here whose policies the operator writes'
        : `the operator writes no policies of ${engine}'s own kinds`;
  return { kind: 'none', message };
}
