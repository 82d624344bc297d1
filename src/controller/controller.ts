/**
 * The controller: watches profiles, namespaces and policies, turns their changes into keys of the work queue, and
 * reconciles them.
 */
import { type Clock, type Random, sleep, type Timer } from '../util/clock.ts';
import { Resource, type ResourceKind } from '../kube/resource.ts';
import type { Transport } from '../kube/http/transport.ts';
import { ACCOUNT_NAMES } from '../policy/admission/accounts.ts';
import type { AdmissionBinding } from '../policy/admission/binding.ts';
import type { ClusterConfiguration } from '../policy/facts.ts';
import { AccountBindings } from './service-accounts/bindings.ts';
import { AccountProbe } from './service-accounts/probe.ts';
import { ServiceAccounts } from './service-accounts/reconcile.ts';
import { Admission } from './admission/reconcile.ts';
import { accountOf } from './admission/policies.ts';
import { AdmissionProbe } from './admission/probe.ts';
import { EventLoopYield } from './queue/event-loop-yield.ts';
import { type Cause, Causes } from './causes.ts';
import { Enforced } from './namespace/enforced.ts';
import { EventHandlers } from './triggers.ts';
import { LiveConfirmation } from './namespace/live-confirmation.ts';
import { encodeKey, type Key, namespaceKey, SERVICE_ACCOUNTS } from './queue/key.ts';
import { reconcileNamespace, type NamespaceReconciler } from './namespace/reconcile.ts';
import {
  ADMISSION_BINDINGS,
  ADMISSION_POLICIES,
  MUTATING_BINDINGS,
  NAMESPACES,
  NETWORK_POLICIES,
  PODS,
  PROFILES,
} from '../cluster-state/items.ts';
import type { ControllerObserver } from './observer.ts';
import { retry } from './queue/outcome.ts';
import { PodProbe } from './namespace/pods.ts';
import { type ProfileReconciler, reconcileProfile } from './profile/reconcile.ts';
import { KeyQueue, type Outcome, Priority, type QueueStats } from './queue/key-queue.ts';
import { type NamespaceResult, Results } from './results.ts';
import { PeerSources } from '../cluster-state/peer-sources/sources.ts';
import { StatusPace } from './profile/status-pace.ts';
import { type WatchedResources, Watches } from './watches.ts';
import { atOnce, RequestLanes } from './queue/request-lanes.ts';
import { ClusterState } from '../cluster-state/state.ts';

export interface ControllerOptions {
  readonly transport: Transport;
  readonly configuration: ClusterConfiguration;
  readonly protectedNamespaces: readonly string[];
  /** The operator's own namespace. */
  readonly namespace: string;
  /** How many keys are reconciled at once. */
  readonly concurrency: number;
  /** All namespaces are looked at again this often, in milliseconds; 0: never. */
  readonly resyncMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: ControllerObserver;
}

export class Controller {
  readonly clusterState: ClusterState;
  readonly results: Results;
  readonly #options: ControllerOptions;
  readonly #queue: KeyQueue<Key>;
  readonly #resources: WatchedResources;
  readonly #admission: Admission;
  readonly #accounts: ServiceAccounts;
  readonly #pods: PodProbe;
  readonly #watches: Watches;
  readonly #stopping = new AbortController();
  readonly #sources: PeerSources;
  readonly #causes: Causes;
  readonly #pace: StatusPace;
  readonly #handlers: EventHandlers;
  readonly #reported = new Set<string>();
  readonly #enforced = new Enforced();
  readonly #evidence = new LiveConfirmation();
  readonly #behind = new Set<string>();
  readonly #turns = new RequestLanes();
  #resync: Timer | undefined;

  constructor(options: ControllerOptions) {
    const { transport, clock, random, observer, concurrency, resyncMs } = options;
    this.#options = options;
    this.clusterState = new ClusterState(options.protectedNamespaces);
    this.results = new Results((profile) => this.#handlers.resultsChanged(profile));
    this.#watches = new Watches(options, this.#stopping.signal);
    this.#causes = new Causes(clock);
    this.#pace = new StatusPace(clock);
    this.#resources = {
      profiles: new Resource(transport, PROFILES),
      namespaces: new Resource(transport, NAMESPACES),
      policies: new Resource(transport, NETWORK_POLICIES),
    };
    this.#pods = new PodProbe(new Resource(transport, PODS), clock);
    const eventLoop = new EventLoopYield(clock);
    this.#queue = new KeyQueue<Key>({
      concurrency,
      clock,
      random,
      observer,
      identify: encodeKey,
      beforeRun: () => eventLoop.beforeRun(),
      work: (key, signal) => this.#reconcile(key, signal),
    });
    this.#queue.pause();
    this.#handlers = new EventHandlers(this.clusterState, this.#queue, this.#causes, this.#pace);
    const bindings = new Resource<AdmissionBinding>(transport, ADMISSION_BINDINGS);
    // Begun once bindings matter: most clusters have none.
    const followBindings = (kind: ResourceKind, resource: { collection(): string }) =>
      this.#watches.follow(kind, resource.collection(), () => this.#handlers.bindingsChanged());
    this.#admission = new Admission({
      ...this.#resources,
      clock,
      clusterState: this.clusterState,
      results: this.results,
      bindings,
      admissionPolicies: new Resource(transport, ADMISSION_POLICIES),
      account: accountOf(transport),
      probe: new AdmissionProbe({ ...this.#resources, transport, bindings, namespace: options.namespace }),
      onNeeded: () => followBindings(ADMISSION_BINDINGS, bindings),
      onRead: (items) => {
        const isGuarded = items.some(({ metadata }) => metadata.name === ACCOUNT_NAMES.guard);
        if (isGuarded && this.#accounts.noteBinding()) this.#queue.add(SERVICE_ACCOUNTS, Priority.live);
      },
      onReport: (profile) => this.#handlers.statusChanged(profile),
      onRelease: (namespace) => this.#queue.add(namespaceKey(namespace), Priority.live),
    });
    const accountBindings = new AccountBindings(transport);
    this.#accounts = new ServiceAccounts({
      ...this.#resources,
      clusterState: this.clusterState,
      bindings: accountBindings,
      probe: new AccountProbe({
        ...this.#resources,
        transport,
        bindings: accountBindings,
        namespace: options.namespace,
      }),
      pods: new Resource(transport, PODS),
      clock,
      random,
      onNeeded: () => {
        followBindings(ADMISSION_BINDINGS, bindings);
        followBindings(MUTATING_BINDINGS, accountBindings.labels);
      },
      onChange: (account) => this.#sources.accountChanged(account),
    });
    this.#sources = new PeerSources(
      {
        accounts: this.#accounts,
        transport,
        clock,
        random,
        ...(resyncMs > 0 && { relistMs: resyncMs }),
        configuration: options.configuration,
        onChange: (namespace) => this.#handlers.intentChanged(namespace),
        onError: (resource, error, retryInMs) => observer.onWatchError(resource, error, retryInMs),
      },
      this.#stopping.signal,
    );
  }

  /** Whether the caches hold what the API server has. */
  get synced(): boolean {
    return this.#watches.synced;
  }

  /** Milliseconds since each watch was last heard of, by resource. */
  watchAges(): Map<string, number> {
    return new Map([...this.#sources.ages(), ...this.#watches.ages()]);
  }

  queueStats(): QueueStats {
    return this.#queue.stats();
  }

  /** Fills the caches and keeps them; resolves once they are complete. Writes nothing. A standby stays here. */
  async watch(): Promise<void> {
    await this.#watches.feed(this.clusterState, this.#resources);
    if (this.#stopping.signal.aborted) return;
    this.#handlers.subscribe();
    this.#handlers.addAll();
  }

  /** Begins to reconcile. Call it once the caches are complete, and only as the leader. */
  lead(): void {
    this.#queue.resume();
    void this.#firstSync();
  }

  /**
   * Begins nothing any more, lets what has begun come to its end for as long as `graceMs`, aborts the rest, stops watching,
   * and resolves when all has ended.
   */
  async stop(graceMs = 0): Promise<void> {
    this.#resync?.cancel();
    this.#queue.pause();
    if (graceMs > 0) {
      const { clock } = this.#options;
      await Promise.race([this.#queue.settled(), sleep(clock, graceMs, this.#stopping.signal)]);
    }
    this.#stopping.abort();
    await this.#queue.close();
    await this.#watches.ended();
  }

  async #firstSync(): Promise<void> {
    await this.#queue.idle();
    if (this.#stopping.signal.aborted) return;
    this.#options.observer.onFullSync();
    const { resyncMs, clock } = this.#options;
    if (resyncMs <= 0) return;
    this.#resync = clock.schedule(resyncMs, () => {
      this.#handlers.addAll();
      void this.#firstSync();
    });
  }

  async #reconcile(key: Key, signal: AbortSignal): Promise<Outcome> {
    const { clock, observer } = this.#options;
    const started = clock.monotonic();
    let outcome: Outcome;
    let panicked = false;
    observer.onReconciling(key);
    try {
      outcome = await this.#reconcileKey(key, signal);
    } catch (error) {
      outcome = retry(error);
      panicked = true;
    }
    observer.onReconciled(key, { durationMs: clock.monotonic() - started, outcome, panicked });
    return outcome;
  }

  #reconcileKey(key: Key, signal: AbortSignal): Promise<Outcome> {
    switch (key.kind) {
      case 'namespace':
        return this.#reconcileNamespace(key.name, signal);
      case 'profile':
        return this.#reconcileProfile(key.name, signal);
      case 'admission':
        return this.#admission.reconcile(signal);
      case 'service-accounts':
        return this.#accounts.reconcile(signal);
    }
  }

  async #reconcileNamespace(name: string, signal: AbortSignal): Promise<Outcome> {
    const { observer } = this.#options;
    const cause = this.#causes.take(name);
    const isUrgent = cause.since !== undefined;
    const reconciler: NamespaceReconciler = {
      ...this.#resources,
      clusterState: this.clusterState,
      sources: this.#sources,
      results: this.results,
      enforced: this.#enforced,
      evidence: this.#evidence,
      admission: this.#admission,
      behind: this.#behind,
      pods: this.#pods,
      send: isUrgent ? atOnce : this.#turns.sendBackground,
      onWrite: (step, before, after) => observer.onWrite({ step, before, after, isDriftOnly: cause.drift }),
    };
    const run = () => reconcileNamespace(name, reconciler, signal);
    const outcome = await (isUrgent ? this.#turns.runForeground(run) : run());
    if (outcome.kind === 'done') this.#noteEnforced(name, cause);
    else this.#causes.giveBack(name, cause);
    return outcome;
  }

  #noteEnforced(name: string, cause: Cause): void {
    const since = this.#causes.answered(name, cause);
    if (since === undefined) return;
    const states = this.#statesOf(name);
    // It waits for something to be read: it stays as urgent as it is.
    if (states.includes('pending')) return;
    this.#causes.settle(name);
    if (states.length > 0 && !states.includes('failed'))
      this.#options.observer.onEnforced(name, this.#options.clock.monotonic() - since);
  }

  /** How the namespace stands with each profile that selects it. */
  #statesOf(name: string): NamespaceResult['state'][] {
    const namespace = this.clusterState.namespaces.get(name);
    if (namespace === undefined) return [];
    return this.clusterState
      .concerned(namespace)
      .filter((profile) => this.clusterState.relation(profile, namespace) !== 'none')
      .map(({ metadata }) => this.results.of(metadata.name).get(name)?.state ?? 'pending');
  }

  #reconcileProfile(name: string, signal: AbortSignal): Promise<Outcome> {
    const { clock, observer } = this.#options;
    const reconciler: ProfileReconciler = {
      ...this.#resources,
      clusterState: this.clusterState,
      results: this.results,
      admission: this.#admission,
      reported: this.#reported,
      clock,
      onStatus: (profile, status, admission) =>
        observer.onStatus(profile, status, this.results.of(name), admission),
      onJudged: (durationMs) => this.#pace.end(name, durationMs),
      onGone: (profile) => {
        this.#pace.forget(profile);
        observer.onGone(profile);
      },
    };
    this.#pace.begin(name);
    return reconcileProfile(name, reconciler, signal);
  }
}
