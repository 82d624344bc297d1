/** The extensions and staged policies of the engine in force, if the operator writes that engine's kinds. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { EngineInForce, EngineVerdict } from '../../engines/detection/detect.ts';
import type { ExtensionEngine } from '../../engines/extensions/engine.ts';
import type { StagingEngine } from '../../engines/staging/engine.ts';
import type { EngineFacts, ExtensionKind } from '../../policy/extensions.ts';
import type { UnknownIsolation } from '../../policy/planning/transition.ts';
import type { DesiredStaged } from '../../policy/staged.ts';
import {
  type DesiredExtensions,
  type EngineListener,
  type EngineSupport,
  type ExtensionWrites,
  NOTHING_TO_WRITE,
} from '../engine-support.ts';
import { Extensions } from './extensions.ts';
import type { EngineObjectsOptions } from './objects.ts';
import { areLeft, StagedPolicies, type StagedPoliciesOptions, type StagingReport } from './staged.ts';

export interface EngineExtensionsOptions extends EngineObjectsOptions {
  readonly engines: readonly ExtensionEngine[];
  readonly staging: readonly StagingEngine[];
  /** Called when staged policies of a namespace can't be written, and are tried again. */
  readonly onStagingRetry: StagedPoliciesOptions['onRetry'];
}

/** Nothing is read, and nothing is known, before `inForce` is called. */
export class EngineExtensions implements EngineSupport {
  readonly #options: EngineExtensionsOptions;
  readonly #listeners: EngineListener[] = [];
  readonly #stagingListeners: (() => void)[] = [];
  #engine: EngineInForce | undefined;
  /** Why the engine in force carries nothing. */
  #none: EngineFacts | undefined;
  #current: Extensions | undefined;
  #staging: StagedPolicies | undefined;
  /** Policies of engines that were in force before, while they are removed. */
  readonly #ending: { stop(): Promise<void> }[] = [];
  readonly #stopping = new AbortController();
  /** The search for staged policies of an earlier process; undefined before the engine is known. */
  #leftovers: Promise<void> | undefined;

  constructor(options: EngineExtensionsOptions) {
    this.#options = options;
  }

  subscribe(listener: EngineListener): void {
    this.#listeners.push(listener);
  }

  /** Calls `listener` when the report on staged policies may have changed. */
  onStagingReport(listener: () => void): void {
    this.#stagingListeners.push(listener);
  }

  /** Takes an engine into force. The extensions of the engine before it stay as they are, and its staged policies are deleted. */
  inForce({ setting, engine, message }: EngineVerdict): void {
    const none = noneFor(engine, message);
    if (engine === this.#engine && JSON.stringify(none) === JSON.stringify(this.#none)) return;
    if (engine !== this.#engine) {
      this.#replaceExtensions(engine);
      this.#replaceStaging(engine);
    }
    this.#engine = engine;
    // A configuration that names an engine says nothing about the objects of others.
    if (setting === 'Auto' && engine !== 'Unknown') this.#leftovers ??= this.#retireLeftovers();
    this.#none = none;
    this.#notifyFacts();
  }

  facts(): EngineFacts | undefined {
    return this.#current === undefined ? this.#none : this.#current.facts();
  }

  /** True if the engine in force has policies for peers of the kind, whether they can be written or not. */
  carries(kind: ExtensionKind): boolean {
    return this.#options.engines.find(({ engine }) => engine === this.#engine)?.carries.has(kind) === true;
  }

  get failure(): string | undefined {
    return this.#current?.failure;
  }

  get isKnown(): boolean {
    return this.#engine !== undefined && (this.#current?.isKnown ?? true);
  }

  /** Only a clear verdict says that no engine has policies of its own. */
  unknownIsolation(namespace: string): UnknownIsolation | undefined {
    return this.#engine === 'None' ? undefined : (this.#current?.unknownIsolation(namespace) ?? {});
  }

  plan(namespace: string, desired: DesiredExtensions): ExtensionWrites {
    return this.#current?.plan(namespace, desired) ?? NOTHING_TO_WRITE;
  }

  staged(namespace: string): readonly NetworkPolicy[] | undefined {
    return this.#staging?.in(namespace);
  }

  stage(namespace: string, desired: DesiredStaged | undefined): void {
    this.#staging?.stage(namespace, desired);
  }

  /** How the staged policies of a profile in Audit stand; undefined if the engine in force stages none. */
  stagingReport(profile: string): StagingReport | undefined {
    return this.#staging?.report(profile);
  }

  /** True if the profile has staged policies that can be deleted. */
  hasStaged(profile: string): boolean {
    return this.#staging?.holds(profile) === true;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#leftovers;
    const running = [...this.#ending, this.#current, this.#staging].filter((each) => each !== undefined);
    await Promise.all(running.map((each) => each.stop()));
  }

  #replaceExtensions(engine: EngineInForce): void {
    if (this.#current !== undefined) {
      void this.#current.stop();
      this.#ending.push(this.#current);
    }
    const found = this.#options.engines.find((each) => each.engine === engine);
    this.#current =
      found &&
      new Extensions({
        ...this.#options,
        engine: found,
        onFacts: () => this.#notifyFacts(),
        onDrift: (namespace) => this.#notifyDrift(namespace),
      });
  }

  #replaceStaging(engine: EngineInForce): void {
    if (this.#staging !== undefined) {
      void this.#staging.retire();
      this.#ending.push(this.#staging);
    }
    const found = this.#options.staging.find((each) => each.engine === engine);
    this.#staging = found && this.#stagedPolicies(found);
  }

  #stagedPolicies(engine: StagingEngine): StagedPolicies {
    return new StagedPolicies(
      { ...this.#options, engine, onRetry: this.#options.onStagingRetry },
      {
        onReport: () => this.#stagingListeners.forEach((listener) => listener()),
        onNeeded: (namespace) => this.#notifyDrift(namespace),
      },
    );
  }

  /** Deletes the staged policies that an earlier process has left of an engine which is gone. */
  async #retireLeftovers(): Promise<void> {
    const { signal } = this.#stopping;
    for (const engine of this.#options.staging) {
      const isLeft = engine.engine !== this.#engine && (await areLeft(engine, this.#options, signal));
      if (!isLeft || engine.engine === this.#engine || signal.aborted) continue;
      const left = this.#stagedPolicies(engine);
      this.#ending.push(left);
      void left.retire();
    }
  }

  #notifyFacts(): void {
    for (const each of this.#listeners) each.onFacts();
  }

  #notifyDrift(namespace: string): void {
    for (const each of this.#listeners) each.onDrift(namespace);
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
