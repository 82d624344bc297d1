/**
 * The controller: watches profiles, namespaces and policies, turns their changes into keys of the work queue, and
 * reconciles each kind of key by a controller of its own.
 */
import { PeerSources } from '../cluster-state/peer-sources/sources.ts';
import {
  ADMISSION_BINDINGS,
  ADMISSION_POLICIES,
  MUTATING_BINDINGS,
  NAMESPACES,
  NETWORK_POLICIES,
  PODS,
  PROFILES,
} from '../cluster-state/items.ts';
import type { ClusterState } from '../cluster-state/state.ts';
import { Resource, type ResourceKind } from '../kube/resource.ts';
import type { Transport } from '../kube/http/transport.ts';
import { ACCOUNT_NAMES } from '../policy/admission/accounts.ts';
import type { AdmissionBinding } from '../policy/admission/binding.ts';
import type { ClusterConfiguration } from '../policy/facts.ts';
import { type Clock, type Random, sleep, type Timer } from '../util/clock.ts';
import { accountOf } from './admission/policies.ts';
import { AdmissionProbe } from './admission/probe.ts';
import { Admission } from './admission/reconcile.ts';
import type { Capability } from './capability.ts';
import type { EnforcementProof } from './enforcement.ts';
import { type EngineSupport, NO_SUPPORT } from './engine-support.ts';
import { type MeshSupport, NO_MESH_SUPPORT } from './mesh-support.ts';
import { type GuardSupport, NO_GUARDS } from './guard-support.ts';
import { NamespaceController } from './namespace/controller.ts';
import { LiveConfirmation } from './namespace/live-confirmation.ts';
import { PodProbe } from './namespace/pods.ts';
import type { ControllerObserver } from './observer.ts';
import { ProfileController } from './profile/controller.ts';
import { EventLoopYield } from './queue/event-loop-yield.ts';
import { encodeKey, type Key } from './queue/key.ts';
import { KeyQueue, type Outcome, type QueueStats } from './queue/key-queue.ts';
import { retry } from './queue/outcome.ts';
import type { Records } from './records.ts';
import { AccountBindings } from './service-accounts/bindings.ts';
import { AccountProbe } from './service-accounts/probe.ts';
import { ServiceAccounts } from './service-accounts/reconcile.ts';
import { SourcePrefetch } from './source-prefetch.ts';
import { Triggers } from './triggers.ts';
import { type WatchedResources, Watches } from './watches.ts';
import { WorkloadViolations } from './workloads/violations.ts';

export interface ControllerOptions {
  readonly transport: Transport;
  readonly configuration: ClusterConfiguration;
  /** The state that the controller fills and keeps: of the cluster, and of its reconciles. */
  readonly clusterState: ClusterState;
  readonly records: Records;
  /** The operator's own namespace. */
  readonly namespace: string;
  /** Optional capabilities of profiles. */
  readonly capabilities: readonly Capability[];
  /** How many keys are reconciled at once. */
  readonly concurrency: number;
  /** All namespaces are reconciled again this often, in milliseconds; 0: never. */
  readonly resyncMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: ControllerObserver;
  /** Absent if nothing tries by packets if policies are enforced. */
  readonly enforcement?: EnforcementProof | undefined;
}

/** The parts of a controller, each built from those before it. */
interface Parts {
  readonly resources: WatchedResources;
  readonly watches: Watches;
  readonly queue: KeyQueue<Key>;
  readonly triggers: Triggers;
  readonly sources: PeerSources;
  readonly prefetch: SourcePrefetch;
  readonly reconcile: (key: Key, signal: AbortSignal) => Promise<Outcome>;
  /** Ends all watches. */
  readonly stopping: AbortController;
}

export function createController(options: ControllerOptions): Controller {
  const { transport, clock, random, observer, concurrency, clusterState, records } = options;
  const stopping = new AbortController();
  const resources: WatchedResources = {
    profiles: new Resource(transport, PROFILES),
    namespaces: new Resource(transport, NAMESPACES),
    policies: new Resource(transport, NETWORK_POLICIES),
  };
  const watches = new Watches(options, stopping.signal);
  const eventLoop = new EventLoopYield(clock);
  const beforeRun = () => eventLoop.beforeRun();
  const queue = new KeyQueue<Key>({ concurrency, clock, random, observer, identify: encodeKey, beforeRun });
  const triggers = new Triggers({ clusterState, records, queue, clock });
  options.enforcement?.subscribe(() => triggers.allStatusesChanged());
  const { admission, accounts } = admissionControllers(options, { resources, watches, triggers });
  const engine = options.capabilities.find((each) => each.engine)?.engine ?? NO_SUPPORT;
  const mesh = options.capabilities.find((each) => each.mesh)?.mesh ?? NO_MESH_SUPPORT;
  const guard = guardOf(options);
  const inputs = { accounts, engine, mesh, guard, triggers, signal: stopping.signal };
  const peers = peerSources(options, inputs);
  const additions = options.capabilities.flatMap(({ additions: added = [] }) => added);
  guard.connect({ sources: peers.sources, additions });
  const pods = new PodProbe(new Resource(transport, PODS), clock);
  const namespaces = new NamespaceController({
    ...options,
    ...resources,
    sources: peers.sources,
    additions,
    engine,
    guard,
    mesh,
    admission,
    confirmation: new LiveConfirmation({ ...resources, clusterState, records }),
    pods,
    onDrift: (namespace) => triggers.drifted(namespace),
  });
  const onReport = (profile: string) => triggers.statusChanged(profile);
  const workloads = new WorkloadViolations({ ...options, onReport });
  const profiles = new ProfileController({ ...options, ...resources, admission, workloads, pods });
  const reconcile = (key: Key, signal: AbortSignal): Promise<Outcome> => {
    switch (key.kind) {
      case 'namespace':
        return namespaces.reconcile(key.name, signal);
      case 'profile':
        return profiles.reconcile(key.name, signal);
      case 'admission':
        return admission.reconcile(signal);
      case 'service-accounts':
        return accounts.reconcile(signal);
      case 'workloads':
        return workloads.reconcile(signal);
    }
  };
  return new Controller(options, { resources, watches, queue, triggers, ...peers, reconcile, stopping });
}

/** The controllers of admission bindings: those that profiles ask for, and those of peers by ServiceAccount. */
function admissionControllers(
  options: ControllerOptions,
  { resources, watches, triggers }: Pick<Parts, 'resources' | 'watches' | 'triggers'>,
): { admission: Admission; accounts: ServiceAccounts } {
  const { transport, clock, random, clusterState, records, namespace } = options;
  const bindings = new Resource<AdmissionBinding>(transport, ADMISSION_BINDINGS);
  // Bindings are watched once they matter: most clusters have none.
  const follow = (kind: ResourceKind, resource: { collection(): string }) =>
    watches.follow(kind, resource.collection(), () => triggers.bindingsChanged());
  const accountBindings = new AccountBindings(transport);
  const accounts = new ServiceAccounts({
    ...resources,
    clusterState,
    bindings: accountBindings,
    probe: new AccountProbe({ ...resources, transport, bindings: accountBindings, namespace }),
    pods: new Resource(transport, PODS),
    clock,
    random,
    onNeeded: () => {
      follow(ADMISSION_BINDINGS, bindings);
      follow(MUTATING_BINDINGS, accountBindings.labels);
    },
    onAccount: () => triggers.serviceAccountsChanged(),
  });
  const admission = new Admission({
    ...resources,
    clock,
    clusterState,
    records,
    bindings,
    admissionPolicies: new Resource(transport, ADMISSION_POLICIES),
    account: accountOf(transport),
    probe: new AdmissionProbe({ ...resources, transport, bindings, namespace }),
    onNeeded: () => follow(ADMISSION_BINDINGS, bindings),
    onRead: (items) => {
      const hasGuard = items.some(({ metadata }) => metadata.name === ACCOUNT_NAMES.guard);
      if (hasGuard && accounts.noteBinding()) triggers.serviceAccountsChanged();
    },
    onReport: (profile) => triggers.statusChanged(profile),
    onRelease: (name) => triggers.gateReleased(name),
  });
  return { admission, accounts };
}

function guardOf({ capabilities }: ControllerOptions): GuardSupport {
  return capabilities.find((each) => each.guard)?.guard ?? NO_GUARDS;
}

function peerSources(
  { transport, clock, random, resyncMs, configuration, clusterState, observer }: ControllerOptions,
  {
    accounts,
    engine,
    mesh,
    guard,
    triggers,
    signal,
  }: {
    readonly accounts: ServiceAccounts;
    readonly engine: EngineSupport;
    readonly mesh: MeshSupport;
    readonly guard: GuardSupport;
    readonly triggers: Triggers;
    readonly signal: AbortSignal;
  },
): Pick<Parts, 'sources' | 'prefetch'> {
  const sources = new PeerSources(
    {
      accounts,
      engine,
      mesh,
      transport,
      clock,
      random,
      relistMs: resyncMs,
      configuration,
      onReadable: () => prefetch.sourceRead(),
      onChange: (dependent) => guard.factsChanged(dependent) || triggers.intentChanged(dependent),
      onError: (resource, error, retryInMs) => observer.onWatchError(resource, error, retryInMs),
    },
    signal,
  );
  const prefetch = new SourcePrefetch({ clusterState, sources });
  accounts.subscribe((account) => sources.accountChanged(account));
  engine.subscribe({
    onFacts: () => sources.engineChanged(),
    onDrift: (namespace) => triggers.drifted(namespace),
  });
  mesh.subscribe({
    onFacts: () => sources.meshChanged(),
    onDrift: (namespace) => triggers.drifted(namespace),
  });
  return { sources, prefetch };
}

export class Controller {
  readonly clusterState: ClusterState;
  readonly #options: ControllerOptions;
  readonly #parts: Parts;
  #resync: Timer | undefined;

  /** Use `createController`. */
  constructor(options: ControllerOptions, parts: Parts) {
    this.clusterState = options.clusterState;
    this.#options = options;
    this.#parts = parts;
  }

  /** True if the caches have been filled, and are kept current. */
  get synced(): boolean {
    return this.#parts.watches.synced;
  }

  /** Milliseconds since each watch was last heard of, by resource. */
  watchAges(): Map<string, number> {
    const { sources, watches } = this.#parts;
    return new Map([...sources.ages(), ...watches.ages()]);
  }

  queueStats(): QueueStats {
    return this.#parts.queue.stats();
  }

  /** Fills the caches and keeps them; resolves once they are complete. Writes nothing. A standby stays here. */
  async watch(): Promise<void> {
    const { watches, resources, prefetch, triggers, stopping } = this.#parts;
    await watches.feed(this.clusterState, resources);
    if (stopping.signal.aborted) return;
    prefetch.start();
    triggers.subscribe();
    triggers.addAll();
  }

  /** Begins to reconcile. Call it once the caches are complete, and only as the leader. */
  lead(): void {
    this.#parts.queue.start((key, signal) => this.#reconcile(key, signal));
    const { triggers } = this.#parts;
    const onReport = (profile: string) => triggers.statusChanged(profile);
    const onIntent = (namespace: string) => triggers.intentChanged(namespace);
    const guard = guardOf(this.#options);
    const onAdditions = (namespace: string) => {
      guard.additionsChanged(namespace);
      triggers.additionsChanged(namespace);
    };
    const { facts } = this.#parts.sources;
    for (const each of this.#options.capabilities) each.lead(onReport, onIntent, onAdditions, facts);
    void this.#firstSync();
  }

  /**
   * Begins no more reconciles, waits up to `graceMs` milliseconds for those under way, aborts them, and stops watching.
   * Resolves when all has ended.
   */
  async stop(graceMs = 0): Promise<void> {
    const { queue, watches, stopping } = this.#parts;
    this.#resync?.cancel();
    queue.pause();
    if (graceMs > 0)
      await Promise.race([queue.settled(), sleep(this.#options.clock, graceMs, stopping.signal)]);
    stopping.abort();
    await Promise.all([queue.close(), ...this.#options.capabilities.map((each) => each.stop())]);
    await watches.ended();
  }

  async #firstSync(): Promise<void> {
    const { queue, prefetch, triggers, stopping } = this.#parts;
    await queue.idle();
    if (stopping.signal.aborted) return;
    prefetch.release();
    this.#options.observer.onFullSync();
    const { resyncMs, clock } = this.#options;
    if (resyncMs <= 0) return;
    this.#resync = clock.schedule(resyncMs, () => {
      triggers.addAll();
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
      outcome = await this.#parts.reconcile(key, signal);
    } catch (error) {
      outcome = retry(error);
      panicked = true;
    }
    observer.onReconciled(key, { durationMs: clock.monotonic() - started, outcome, panicked });
    return outcome;
  }
}
