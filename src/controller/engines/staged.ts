/**
 * Writes the staged policies of one engine. They enforce nothing, so they are written beside the reconcile of their namespace,
 * by a queue of their own: a failure here delays no NetworkPolicy, and fails no namespace.
 */
import type { KubeObject } from '../../api/meta.ts';
import { LABEL_PROFILE } from '../../api/names.ts';
import { DIRECTIONS, type NetworkPolicy } from '../../api/network-policy.ts';
import { planExtensions } from '../../engines/extensions/plan.ts';
import type { StagingEngine } from '../../engines/staging/engine.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import { planStaged } from '../../engines/staging/plan.ts';
import { ApiError, isAborted, isNamespaceTerminating } from '../../kube/errors.ts';
import { Resource } from '../../kube/resource.ts';
import { withOwnerLabels } from '../../policy/ownership.ts';
import { type DesiredStaged, NOTHING_STAGED, withoutExtended } from '../../policy/staged.ts';
import { sleep } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import { counted } from '../../util/list-text.ts';
import { KeyQueue, type Outcome, Priority, type Retry } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import { type EngineKind, EngineObjects, type EngineObjectsOptions, SchemaTooOldError } from './objects.ts';
import { hasOwnObjects } from './own-objects.ts';

export interface StagedPoliciesOptions extends EngineObjectsOptions {
  readonly engine: StagingEngine;
  /** Called when a namespace fails for a reason that may pass, and is tried again. */
  readonly onRetry: (retry: Retry<string>) => void;
}

export interface StagedPoliciesListener {
  /** The report of profiles in Audit may have changed. */
  readonly onReport: () => void;
  /** The namespace has to be reconciled, so that its policies to stage are known. */
  readonly onNeeded: (namespace: string) => void;
}

/** How the staged policies of one profile stand. */
export type StagingReport =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'staged'; readonly message: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly message: string };

/** Few at once: nothing waits for staged policies. */
const CONCURRENCY = 2;

/** Attempts to delete what is left when another engine comes into force, and milliseconds between them. */
const MOST_ATTEMPTS = 10;
const RETIRING_INTERVAL_MS = 2000;

/** True if an earlier process has left staged policies of the engine that can be deleted. */
export async function areLeft(
  engine: StagingEngine,
  { transport, clock }: Pick<StagedPoliciesOptions, 'transport' | 'clock'>,
  signal: AbortSignal,
): Promise<boolean> {
  const kinds = [engine.kind, engine.extensions.kind];
  for (let attempt = 0; attempt < MOST_ATTEMPTS && !signal.aborted; attempt++) {
    try {
      const found = await Promise.all(
        kinds.map((kind) => hasOwnObjects(new Resource(transport, kind), signal)),
      );
      return found.includes(true);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      await sleep(clock, RETIRING_INTERVAL_MS, signal);
    }
  }
  return false;
}

/** A write of an object of one of the two kinds. */
interface StagedWrite {
  readonly objects: EngineObjects;
  readonly step: ObjectStep;
}

/** Created when the engine comes into force. */
export class StagedPolicies {
  readonly #options: StagedPoliciesOptions;
  readonly #listener: StagedPoliciesListener;
  readonly #policies: EngineObjects;
  readonly #extensions: EngineObjects;
  readonly #queue: KeyQueue<string>;
  /** The wanted objects by namespace, for namespaces that want some or have own objects to remove. */
  readonly #desired = new Map<string, DesiredStaged>();
  /** The namespaces whose wanted policies were decided before all staged policies were known, and that wait for a reconcile. */
  readonly #outdated = new Set<string>();
  /** Why the last writes failed, by namespace. */
  readonly #failures = new Map<string, string>();
  readonly #stopping = new AbortController();
  #isRetiring = false;

  constructor(options: StagedPoliciesOptions, listener: StagedPoliciesListener) {
    const { engine, clock, random, onRetry } = options;
    this.#options = options;
    this.#listener = listener;
    this.#queue = new KeyQueue({
      concurrency: CONCURRENCY,
      clock,
      random,
      identify: (namespace) => namespace,
      observer: {
        onRetry: (failed) => {
          onRetry(failed);
          // A single failure or write conflict is ordinary.
          if (failed.failures < 2) return;
          this.#failures.set(failed.key, errorMessage(failed.error));
          listener.onReport();
        },
      },
    });
    const ofKind = (kind: EngineKind) =>
      new EngineObjects(kind, options, {
        onState: () => this.#stateChanged(),
        onDrift: (namespace) => this.#drifted(namespace),
      });
    this.#policies = ofKind(engine);
    this.#extensions = ofKind(engine.extensions);
    this.#queue.start((namespace, signal) => this.#reconcile(namespace, signal));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#queue.close(), this.#policies.stop(), this.#extensions.stop()]);
  }

  /** Deletes all staged policies, each tried some times, and stops: another engine is in force. */
  async retire(): Promise<void> {
    const { clock } = this.#options;
    this.#isRetiring = true;
    for (let attempt = 0; attempt < MOST_ATTEMPTS && !this.#stopping.signal.aborted; attempt++) {
      const left = this.#ownNamespaces();
      if (!this.#isPending && (left.size === 0 || this.#policies.state.kind !== 'available')) break;
      for (const namespace of left) {
        this.#desired.set(namespace, NOTHING_STAGED);
        this.#queue.add(namespace, Priority.backfill);
      }
      await this.#queue.idle();
      if (this.#isPending || this.#ownNamespaces().size > 0)
        await sleep(clock, RETIRING_INTERVAL_MS, this.#stopping.signal);
    }
    await this.stop();
  }

  /**
   * The staged NetworkPolicies of a namespace: observed ones with the labels of their owners, then those that it wants. Undefined
   * as long as they are not known, or can't be written.
   */
  in(namespace: string): readonly NetworkPolicy[] | undefined {
    const { engine } = this.#options;
    if (!this.#isReady) return undefined;
    const observed = this.#policies.in(namespace).flatMap((object) => {
      const owner = this.#policies.ownerOf(object);
      const policy = owner === undefined ? undefined : engine.staged(object);
      return policy === undefined ? [] : [withOwnerLabels(policy, owner)];
    });
    return [...observed, ...this.#wanted(namespace).policies];
  }

  /** @param desired undefined if the namespace is gone */
  stage(namespace: string, desired: DesiredStaged | undefined): void {
    this.#outdated.delete(namespace);
    if (desired === undefined) {
      this.#desired.delete(namespace);
      this.#failures.delete(namespace);
      return;
    }
    this.#desired.set(namespace, desired);
    if (this.#plan(namespace).length > 0) this.#queue.add(namespace, Priority.backfill);
    else this.#settle(namespace);
  }

  /** The report of a profile in Audit. */
  report(profile: string): StagingReport {
    const { engine } = this.#options;
    const unwritten = (reason: string, message: string) =>
      ({ kind: 'failed', reason, message: `its policies are not staged: ${message}` }) as const;
    const { state } = this.#policies;
    if (state.kind === 'missing') return unwritten(state.reason, state.message);
    if (this.#isPending) {
      const failure = this.#policies.failure ?? this.#extensions.failure;
      return failure === undefined ? { kind: 'unknown' } : unwritten('StagingFailed', failure);
    }
    const [first, ...others] = this.#failuresOf(profile);
    if (first !== undefined) {
      const more = others.length > 0 ? ` and ${counted(others.length, 'more namespace')}` : '';
      return unwritten('StagingFailed', `namespace ${first.namespace}${more}: ${first.message}`);
    }
    const count = [...this.#of(profile)].length;
    const subject = counted(count, 'staged policy', 'staged policies');
    const shown = `${subject} ${count === 1 ? 'shows' : 'show'} in ${engine.shownIn} what would be denied`;
    const message = [count === 0 ? 'no policy is staged' : shown, ...this.#leftOutOf(profile)].join('; ');
    return { kind: 'staged', message };
  }

  /** True if staged policies of the profile exist, and nothing hinders their deletion. */
  holds(profile: string): boolean {
    if (this.#policies.state.kind !== 'available') return false;
    const { namespaces } = this.#options.clusterState;
    return this.#of(profile).some(
      ({ metadata: { namespace = '' } }) =>
        !this.#failures.has(namespace) && namespaces.get(namespace)?.terminating !== true,
    );
  }

  /** True until the objects of both kinds were listed once, or can't be. */
  get #isPending(): boolean {
    return [this.#policies, this.#extensions].some(({ state }) => state.kind === 'unknown');
  }

  /** True if the staged policies are known, and can be written. */
  get #isReady(): boolean {
    return this.#policies.state.kind === 'available' && !this.#isPending;
  }

  *#own(): Generator<{ readonly object: KubeObject; readonly owner: string }, void, undefined> {
    for (const objects of [this.#policies, this.#extensions])
      for (const object of objects.all()) {
        const owner = objects === this.#extensions ? this.#ownerOfExtension(object) : objects.ownerOf(object);
        if (owner !== undefined) yield { object, owner };
      }
  }

  readonly #ownerOfExtension = (object: KubeObject): string | undefined => {
    const { namePrefix = '' } = this.#options.engine.extensions;
    return object.metadata.name.startsWith(namePrefix) ? this.#extensions.ownerOf(object) : undefined;
  };

  *#of(profile: string): Generator<KubeObject, void, undefined> {
    for (const { object, owner } of this.#own()) if (owner === profile) yield object;
  }

  /** Says for each direction of the profile in how many namespaces it is not staged, and why in the first of them. */
  #leftOutOf(profile: string): string[] {
    const namespaces = [...this.#desired.keys()].sort();
    return DIRECTIONS.flatMap((direction) => {
      const found = namespaces.flatMap((namespace) =>
        this.#wanted(namespace)
          .leftOut.filter((each) => each.profile === profile && each.direction === direction)
          .map(({ message }) => ({ namespace, message })),
      );
      const [first, ...others] = found;
      if (first === undefined) return [];
      const more = others.length > 0 ? ` and ${counted(others.length, 'more namespace')}` : '';
      return [`${direction} is not staged in namespace ${first.namespace}${more}: ${first.message}`];
    });
  }

  *#failuresOf(profile: string): Generator<{ namespace: string; message: string }> {
    for (const [namespace, message] of this.#failures) {
      const policies = this.#desired.get(namespace)?.policies ?? [];
      const isDesired = policies.some(({ metadata }) => metadata.labels?.[LABEL_PROFILE] === profile);
      if (isDesired || this.#of(profile).some(({ metadata }) => metadata.namespace === namespace))
        yield { namespace, message };
    }
  }

  /** The policies to stage, as far as their kinds can be written. */
  #wanted(namespace: string): DesiredStaged {
    const desired = this.#desired.get(namespace) ?? NOTHING_STAGED;
    const { state } = this.#extensions;
    return state.kind === 'missing' ? withoutExtended(desired, state.message) : desired;
  }

  /** Extensions come before the policies that isolate, and go after them: no flow that is meant is shown as denied. */
  #plan(namespace: string): StagedWrite[] {
    // Without permission or a schema nothing is written, and what is there stays.
    if (!this.#isReady) return [];
    const { engine } = this.#options;
    const { policies, extensions, kept } = this.#wanted(namespace);
    const ownerOf = (object: KubeObject) => this.#policies.ownerOf(object);
    const steps = planStaged(this.#policies.in(namespace), policies, { engine, ownerOf, kept });
    const ofPolicies = steps.map((step) => ({ objects: this.#policies, step }));
    if (this.#extensions.state.kind !== 'available') return ofPolicies;
    const context = { engine: engine.extensions, ownerOf: this.#ownerOfExtension, kept };
    const { widen, narrow } = planExtensions(this.#extensions.in(namespace), extensions, context);
    const ofExtension = (step: ObjectStep) => ({ objects: this.#extensions, step });
    return [...widen.map(ofExtension), ...ofPolicies, ...narrow.map(ofExtension)];
  }

  async #reconcile(namespace: string, signal: AbortSignal): Promise<Outcome> {
    if (!this.#desired.has(namespace) || this.#isOutdated(namespace)) return DONE;
    try {
      for (const { objects, step } of this.#plan(namespace)) {
        signal.throwIfAborted();
        await objects.write(step, signal);
      }
      this.#settle(namespace);
      return DONE;
    } catch (error) {
      if (isAborted(error)) return givenUp(error, signal);
      // Written again once the schema may be another, and not in a namespace that is going.
      if (error instanceof SchemaTooOldError || isNamespaceTerminating(error) || this.#isRetiring)
        return DONE;
      return retry(error);
    } finally {
      this.#listener.onReport();
    }
  }

  #settle(namespace: string): void {
    this.#failures.delete(namespace);
    const { policies, leftOut, kept } = this.#desired.get(namespace) ?? NOTHING_STAGED;
    const isEmpty = policies.length + leftOut.length + kept.size === 0;
    if (isEmpty && this.#plan(namespace).length === 0) this.#desired.delete(namespace);
  }

  /** Whatever was wanted, all is deleted once another engine is in force. */
  #isOutdated(namespace: string): boolean {
    return !this.#isRetiring && this.#outdated.has(namespace);
  }

  #drifted(namespace: string): void {
    if (this.#isOutdated(namespace)) return;
    if (this.#desired.has(namespace)) this.#queue.add(namespace, Priority.drift);
    else this.#listener.onNeeded(namespace);
  }

  /**
   * Namespaces that were reconciled before the objects were known are reconciled once more. Until then nothing is written: what
   * they wanted before may be outdated, and staged policies carry last known forms that are lost with them.
   */
  #stateChanged(): void {
    this.#listener.onReport();
    if (!this.#isReady) return;
    const { clusterState } = this.#options;
    const needed = new Set(this.#ownNamespaces());
    const audited = [...clusterState.profiles.values()].filter(
      ({ profile }) => profile.spec.mode === 'Audit',
    );
    for (const namespace of clusterState.namespaces.values())
      if (audited.some(({ profile }) => clusterState.relation(profile, namespace) === 'audit'))
        needed.add(namespace.key);
    for (const namespace of needed) {
      this.#outdated.add(namespace);
      this.#listener.onNeeded(namespace);
    }
  }

  #ownNamespaces(): Set<string> {
    return new Set([...this.#own()].map(({ object }) => object.metadata.namespace ?? ''));
  }
}
