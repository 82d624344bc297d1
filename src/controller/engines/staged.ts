/**
 * Writes the staged policies of one engine. They enforce nothing, so they are written beside the reconcile of their namespace,
 * by a queue of their own: a failure here delays no NetworkPolicy, and fails no namespace.
 */
import type { KubeObject } from '../../api/meta.ts';
import { LABEL_PROFILE } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { StagingEngine } from '../../engines/staging/engine.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import { planStaged } from '../../engines/staging/plan.ts';
import { isAborted, isNamespaceTerminating } from '../../kube/errors.ts';
import { sleep } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import { counted } from '../../util/list-text.ts';
import type { DesiredStaged } from '../engine-support.ts';
import { KeyQueue, type Outcome, Priority, type Retry } from '../queue/key-queue.ts';
import { DONE, givenUp, retry } from '../queue/outcome.ts';
import { EngineObjects, type EngineObjectsOptions, SchemaTooOldError } from './objects.ts';

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

const NOTHING: DesiredStaged = { policies: [], kept: new Set() };

/** Created when the engine comes into force. */
export class StagedPolicies {
  readonly #options: StagedPoliciesOptions;
  readonly #listener: StagedPoliciesListener;
  readonly #objects: EngineObjects;
  readonly #queue: KeyQueue<string>;
  /** The wanted objects by namespace, for namespaces that want some or have own objects to remove. */
  readonly #desired = new Map<string, DesiredStaged>();
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
    this.#objects = new EngineObjects(engine, options, {
      onState: () => this.#stateChanged(),
      onDrift: (namespace) => this.#drifted(namespace),
    });
    this.#queue.start((namespace, signal) => this.#reconcile(namespace, signal));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#queue.close(), this.#objects.stop()]);
  }

  /** Deletes all staged policies, each tried some times, and stops: another engine is in force. */
  async retire(): Promise<void> {
    const { clock } = this.#options;
    this.#isRetiring = true;
    for (let attempt = 0; attempt < MOST_ATTEMPTS && !this.#stopping.signal.aborted; attempt++) {
      const left = this.#ownNamespaces();
      if (left.size === 0 || this.#objects.state.kind !== 'available') break;
      for (const namespace of left) {
        this.#desired.set(namespace, NOTHING);
        this.#queue.add(namespace, Priority.backfill);
      }
      await this.#queue.idle();
      if (this.#ownNamespaces().size > 0) await sleep(clock, RETIRING_INTERVAL_MS, this.#stopping.signal);
    }
    await this.stop();
  }

  /** The staged policies of a namespace, observed ones first, then those that it wants. */
  in(namespace: string): readonly NetworkPolicy[] {
    const { engine } = this.#options;
    const observed = this.#objects
      .in(namespace)
      .filter((object) => this.#objects.ownerOf(object) !== undefined)
      .flatMap((object) => engine.staged(object) ?? []);
    return [...observed, ...(this.#desired.get(namespace)?.policies ?? [])];
  }

  /** @param desired undefined if the namespace is gone */
  stage(namespace: string, desired: DesiredStaged | undefined): void {
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
    const { state, failure } = this.#objects;
    const unwritten = (reason: string, message: string) =>
      ({ kind: 'failed', reason, message: `its policies are not staged: ${message}` }) as const;
    if (state.kind === 'missing') return unwritten(state.reason, state.message);
    if (state.kind === 'unknown')
      return failure === undefined ? { kind: 'unknown' } : unwritten('StagingFailed', failure);
    const [first, ...others] = this.#failuresOf(profile);
    if (first !== undefined) {
      const more = others.length > 0 ? ` and ${counted(others.length, 'more namespace')}` : '';
      return unwritten('StagingFailed', `namespace ${first.namespace}${more}: ${first.message}`);
    }
    const count = [...this.#of(profile)].length;
    if (count === 0) return { kind: 'staged', message: 'no policy is staged' };
    const subject = counted(count, 'staged policy', 'staged policies');
    const message = `${subject} ${count === 1 ? 'shows' : 'show'} in ${engine.shownIn} what would be denied`;
    return { kind: 'staged', message };
  }

  /** True if staged policies of the profile exist, and nothing hinders their deletion. */
  holds(profile: string): boolean {
    if (this.#objects.state.kind !== 'available') return false;
    const { namespaces } = this.#options.clusterState;
    return this.#of(profile).some(
      ({ metadata: { namespace = '' } }) =>
        !this.#failures.has(namespace) && namespaces.get(namespace)?.terminating !== true,
    );
  }

  *#of(profile: string): Generator<KubeObject, void, undefined> {
    for (const object of this.#objects.all()) if (this.#objects.ownerOf(object) === profile) yield object;
  }

  *#failuresOf(profile: string): Generator<{ namespace: string; message: string }> {
    for (const [namespace, message] of this.#failures) {
      const policies = this.#desired.get(namespace)?.policies ?? [];
      const isDesired = policies.some(({ metadata }) => metadata.labels?.[LABEL_PROFILE] === profile);
      if (isDesired || this.#of(profile).some(({ metadata }) => metadata.namespace === namespace))
        yield { namespace, message };
    }
  }

  #plan(namespace: string): ObjectStep[] {
    // Without permission or a schema nothing is written, and what is there stays.
    if (this.#objects.state.kind !== 'available') return [];
    const { policies, kept } = this.#desired.get(namespace) ?? NOTHING;
    const ownerOf = (object: KubeObject) => this.#objects.ownerOf(object);
    return planStaged(this.#objects.in(namespace), policies, { engine: this.#options.engine, ownerOf, kept });
  }

  async #reconcile(namespace: string, signal: AbortSignal): Promise<Outcome> {
    if (!this.#desired.has(namespace)) return DONE;
    try {
      for (const step of this.#plan(namespace)) {
        signal.throwIfAborted();
        await this.#objects.write(step, signal);
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
    const { policies, kept } = this.#desired.get(namespace) ?? NOTHING;
    if (policies.length === 0 && kept.size === 0 && this.#plan(namespace).length === 0)
      this.#desired.delete(namespace);
  }

  #drifted(namespace: string): void {
    if (this.#desired.has(namespace)) this.#queue.add(namespace, Priority.drift);
    else this.#listener.onNeeded(namespace);
  }

  /** Namespaces that were reconciled before the objects were known are reconciled once more. */
  #stateChanged(): void {
    this.#listener.onReport();
    if (this.#objects.state.kind !== 'available') return;
    const { clusterState } = this.#options;
    const needed = new Set(this.#ownNamespaces());
    const audited = [...clusterState.profiles.values()].filter(
      ({ profile }) => profile.spec.mode === 'Audit',
    );
    for (const namespace of clusterState.namespaces.values())
      if (audited.some(({ profile }) => clusterState.relation(profile, namespace) === 'audit'))
        needed.add(namespace.key);
    for (const namespace of needed) this.#drifted(namespace);
  }

  #ownNamespaces(): Set<string> {
    const own = [...this.#objects.all()].filter((object) => this.#objects.ownerOf(object) !== undefined);
    return new Set(own.map(({ metadata: { namespace = '' } }) => namespace));
  }
}
