/**
 * The controller: watches profiles, namespaces and policies, turns their changes into keys of the work queue, and
 * reconciles them. Keys are `namespace/NAME` (its policies, for all profiles that concern it), `profile/NAME` (its
 * finalizer and status), `admission/bindings` (what profiles ask of the API server's own admission), and
 * `admission/accounts` (what peers by ServiceAccount rely on).
 */
import type { KubeObject } from '../api/meta.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { ProfileStatus, SegmentationProfile } from '../api/profile.ts';
import type { Clock, Random, Timer } from '../clock.ts';
import { Reflector } from '../kube/reflector.ts';
import { Resource, type ResourceKind } from '../kube/resource.ts';
import { type Change, type Item, Store } from '../kube/store.ts';
import type { Transport } from '../kube/transport.ts';
import type { AdmissionBinding } from '../policy/admission/binding.ts';
import type { ClusterConfiguration } from '../policy/facts.ts';
import type { Step } from '../policy/plan.ts';
import { ACCOUNT_NAMES, accountsOf } from '../policy/admission/accounts.ts';
import { AccountBindings } from './account-bindings.ts';
import { Accounts } from './accounts.ts';
import { Admission } from './admission.ts';
import { accountOf } from './admission-policies.ts';
import { Probe } from './admission-probe.ts';
import type { AdmissionReport } from './admission-report.ts';
import { Enforced } from './enforced.ts';
import { Evidence } from './evidence.ts';
import { reconcileNamespace, type NamespaceReconciler } from './namespace.ts';
import {
  ADMISSION_BINDINGS,
  ADMISSION_POLICIES,
  identity,
  MUTATING_BINDINGS,
  NAMESPACES,
  type NamespaceItem,
  NETWORK_POLICIES,
  PODS,
  type PolicyItem,
  PROFILES,
  type ProfileItem,
  projectNamespace,
  projectPolicy,
  projectProfile,
} from './observed.ts';
import { retry } from './outcome.ts';
import { PodProbe } from './pods.ts';
import { hasFinalizer, type ProfileReconciler, reconcileProfile } from './profile.ts';
import { KeyQueue, type Outcome, Priority, type QueueObserver, type QueueStats } from './queue.ts';
import { type NamespaceResult, Results } from './results.ts';
import { Sources } from './sources.ts';
import { World } from './world.ts';

export type Key = `namespace/${string}` | `profile/${string}` | typeof ADMISSION | typeof ACCOUNTS;

const ADMISSION = 'admission/bindings';
const ACCOUNTS = 'admission/accounts';

/** Told as it happens; for logs and metrics. Must not throw. */
export interface ControllerObserver extends QueueObserver<Key> {
  /** A watch failed and is tried again in `retryInMs`. */
  onWatchError(resource: string, error: unknown, retryInMs: number): void;
  onSynced(resource: string, items: number): void;
  /** A policy was written. `drift`: nothing of the intent had changed, somebody changed or deleted the policy. */
  onWrite(
    step: Step,
    before: NetworkPolicy | undefined,
    after: NetworkPolicy | undefined,
    drift: boolean,
  ): void;
  onReconciling(key: Key): void;
  /** `panic`: it threw, which is a defect; what the API server answers is in the outcome. */
  onReconciled(key: Key, durationMs: number, outcome: Outcome, panic: boolean): void;
  /** Milliseconds from the namespace's event to its policies standing. */
  onEnforced(namespace: string, sinceEventMs: number): void;
  /** What the profile's status says now, whether or not it had to be written. */
  onStatus(
    profile: SegmentationProfile,
    status: ProfileStatus,
    results: ReadonlyMap<string, NamespaceResult>,
    admission: AdmissionReport | undefined,
  ): void;
  onGone(profile: string): void;
  /** Every namespace was reconciled at least once since the last start or resync. */
  onFullSync(): void;
}

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

/** Shortest time between two looks at the status of one profile, in milliseconds. */
const STATUS_INTERVAL = 500;
/** Most of the time that goes into judging one status, which looks at all namespaces of the profile at once. */
const STATUS_SHARE = 1 / 50;
/** How soon admission follows what changed, so that changes that come together are one; milliseconds. */
const ADMISSION_DELAY = 200;

export class Controller {
  readonly world: World;
  readonly results: Results;
  readonly #options: ControllerOptions;
  readonly #queue: KeyQueue<Key>;
  readonly #resources: {
    readonly profiles: Resource<SegmentationProfile>;
    readonly namespaces: Resource<KubeObject>;
    readonly policies: Resource<NetworkPolicy>;
  };
  readonly #admission: Admission;
  readonly #accounts: Accounts;
  readonly #pods: PodProbe;
  readonly #watches: Watched[] = [];
  readonly #stopping = new AbortController();
  readonly #sources: Sources;
  /** When each namespace's latest event came, until its policies stand; monotonic milliseconds. */
  readonly #events = new Map<string, number>();
  /** Namespaces whose only news is that a policy of ours was touched. */
  readonly #drifted = new Set<string>();
  /** Namespaces for which something of the intent changed: what is written next there is no repair of drift. */
  readonly #intended = new Set<string>();
  readonly #statusWritten = new Map<string, number>();
  /** How long judging each profile's status took last, in milliseconds. */
  readonly #statusCost = new Map<string, number>();
  readonly #reported = new Set<string>();
  readonly #enforced = new Enforced();
  readonly #evidence = new Evidence();
  /** Paths of the bindings that are watched. */
  readonly #bindingWatches = new Set<string>();
  readonly #behind = new Set<string>();
  #resync: Timer | undefined;

  constructor(options: ControllerOptions) {
    const { transport, clock, random, observer, concurrency, resyncMs } = options;
    this.#options = options;
    this.world = new World(options.protectedNamespaces);
    this.results = new Results((profile) => this.#resultsChanged(profile));
    this.#resources = {
      profiles: new Resource(transport, PROFILES),
      namespaces: new Resource(transport, NAMESPACES),
      policies: new Resource(transport, NETWORK_POLICIES),
    };
    this.#pods = new PodProbe(new Resource(transport, PODS), clock);
    this.#queue = new KeyQueue<Key>({
      concurrency,
      clock,
      random,
      observer,
      work: (key, signal) => this.#reconcile(key, signal),
    });
    this.#queue.pause();
    const bindings = new Resource<AdmissionBinding>(transport, ADMISSION_BINDINGS);
    this.#admission = new Admission({
      ...this.#resources,
      world: this.world,
      results: this.results,
      bindings,
      admissionPolicies: new Resource(transport, ADMISSION_POLICIES),
      account: accountOf(transport),
      probe: new Probe({ ...this.#resources, transport, clock, bindings, namespace: options.namespace }),
      onNeeded: () => this.#watchBindings(ADMISSION_BINDINGS, bindings.collection()),
      onRead: (items) => {
        const stands = items.some(({ metadata }) => metadata.name === ACCOUNT_NAMES.guard);
        if (stands && this.#accounts.noteStanding()) this.#queue.add(ACCOUNTS, Priority.live);
      },
      onReport: (profile) => this.#statusChanged(profile),
      onRelease: (namespace) => this.#queue.add(`namespace/${namespace}`, Priority.live),
    });
    const accountBindings = new AccountBindings(
      transport,
      this.#resources.policies,
      clock,
      options.namespace,
    );
    this.#accounts = new Accounts({
      ...this.#resources,
      world: this.world,
      bindings: accountBindings,
      pods: new Resource(transport, PODS),
      clock,
      random,
      onNeeded: () => {
        this.#watchBindings(ADMISSION_BINDINGS, bindings.collection());
        this.#watchBindings(MUTATING_BINDINGS, accountBindings.labels.collection());
      },
      onChange: (account) => this.#sources.accountChanged(account),
    });
    this.#sources = new Sources(
      {
        accounts: this.#accounts,
        transport,
        clock,
        random,
        ...(resyncMs > 0 && { relistMs: resyncMs }),
        configuration: options.configuration,
        onChange: (namespace) => {
          this.#intended.add(namespace);
          this.#backfill(namespace);
        },
        onError: (resource, error, retryInMs) => observer.onWatchError(resource, error, retryInMs),
      },
      this.#stopping.signal,
    );
  }

  /** Whether the caches hold what the API server has. */
  get synced(): boolean {
    return this.#watches.length > 0 && this.#watches.every(({ reflector }) => reflector.hasSynced);
  }

  /** Milliseconds since each watch was last heard of, by resource. */
  watchAges(): Map<string, number> {
    const now = this.#options.clock.monotonic();
    const own = this.#watches.map(
      ({ resource, reflector }) => [resource, now - reflector.lastContact] as const,
    );
    return new Map([...this.#sources.ages(), ...own]);
  }

  queueStats(): QueueStats {
    return this.#queue.stats();
  }

  /** Fills the caches and keeps them; resolves once they are complete. Writes nothing. A standby stays here. */
  async watch(): Promise<void> {
    const { profiles, namespaces, policies } = this.#resources;
    const watches = [
      this.#watch<ProfileItem>(
        'segmentationprofiles',
        profiles.collection(),
        projectProfile,
        this.world.profiles,
      ),
      this.#watch<NamespaceItem>(
        'namespaces',
        namespaces.collection(),
        projectNamespace,
        this.world.namespaces,
      ),
      this.#watch<PolicyItem>('networkpolicies', policies.collection(), projectPolicy, this.world.policies),
    ];
    await Promise.all(watches);
    if (this.#stopping.signal.aborted) return;
    this.world.profiles.subscribe((change) => this.#profileChanged(change));
    this.world.namespaces.subscribe((change) => this.#namespaceChanged(change));
    this.world.policies.subscribe((change) => this.#policyChanged(change));
    this.#addAll();
  }

  /** Begins to reconcile. Call it once the caches are complete, and only as the leader. */
  lead(): void {
    this.#queue.resume();
    void this.#firstSync();
  }

  /** Stops watching and reconciling, aborts writes under way, and resolves when all has ended. */
  async stop(): Promise<void> {
    this.#resync?.cancel();
    this.#stopping.abort();
    await this.#queue.close();
    await Promise.all(this.#watches.map(({ ended }) => ended));
  }

  async #firstSync(): Promise<void> {
    await this.#queue.idle();
    if (this.#stopping.signal.aborted) return;
    this.#options.observer.onFullSync();
    const { resyncMs, clock } = this.#options;
    if (resyncMs <= 0) return;
    this.#resync = clock.schedule(resyncMs, () => {
      this.#addAll();
      void this.#firstSync();
    });
  }

  #addAll(): void {
    this.#queue.add(ADMISSION, Priority.live);
    this.#queue.add(ACCOUNTS, Priority.live);
    for (const { key } of this.world.profiles.values()) this.#queue.add(`profile/${key}`, Priority.live);
    for (const { key } of this.world.namespaces.values())
      this.#queue.add(`namespace/${key}`, Priority.backfill);
  }

  #watch<T extends Item>(
    resource: string,
    path: string,
    project: (raw: object) => T,
    sink: Store<T>,
  ): Promise<void> {
    const { transport, clock, random, observer, resyncMs } = this.#options;
    const reflector = new Reflector<T>({
      transport,
      path,
      project,
      sink,
      clock,
      random,
      ...(resyncMs > 0 && { relistMs: resyncMs }),
      onError: (error, retryInMs) => observer.onWatchError(resource, error, retryInMs),
      onList: ({ items }) => observer.onSynced(resource, items),
    });
    const ended = reflector.run(this.#stopping.signal);
    this.#watches.push({ resource, reflector, ended });
    return Promise.race([reflector.synced, ended]);
  }

  async #reconcile(key: Key, signal: AbortSignal): Promise<Outcome> {
    const { clock, observer } = this.#options;
    const started = clock.monotonic();
    const name = key.slice(key.indexOf('/') + 1);
    let outcome: Outcome;
    let panic = false;
    observer.onReconciling(key);
    try {
      outcome =
        key === ADMISSION
          ? await this.#admission.reconcile(signal)
          : key === ACCOUNTS
            ? await this.#accounts.reconcile(signal)
            : key.startsWith('namespace/')
              ? await this.#reconcileNamespace(name, signal)
              : await this.#reconcileProfile(name, signal);
    } catch (error) {
      outcome = retry(error);
      panic = true;
    }
    observer.onReconciled(key, clock.monotonic() - started, outcome, panic);
    return outcome;
  }

  async #reconcileNamespace(name: string, signal: AbortSignal): Promise<Outcome> {
    const { observer, clock } = this.#options;
    const since = this.#events.get(name);
    const intended = this.#intended.delete(name);
    const drift = this.#drifted.delete(name) && !intended && since === undefined;
    const reconciler: NamespaceReconciler = {
      ...this.#resources,
      world: this.world,
      sources: this.#sources,
      results: this.results,
      enforced: this.#enforced,
      evidence: this.#evidence,
      admission: this.#admission,
      behind: this.#behind,
      pods: this.#pods,
      onWrite: (step, before, after) => observer.onWrite(step, before, after, drift),
    };
    const outcome = await reconcileNamespace(name, reconciler, signal);
    if (outcome.kind !== 'done' && drift) this.#drifted.add(name);
    if (outcome.kind !== 'done' && intended) this.#intended.add(name);
    if (outcome.kind === 'done' && since !== undefined && this.#events.get(name) === since) {
      const states = this.#statesOf(name);
      // It waits for something to be read: it stays as urgent as it is.
      if (states.includes('pending')) return outcome;
      this.#events.delete(name);
      if (states.length > 0 && !states.includes('failed'))
        observer.onEnforced(name, clock.monotonic() - since);
    }
    return outcome;
  }

  /** How the namespace stands with each profile that selects it. */
  #statesOf(name: string): NamespaceResult['state'][] {
    const namespace = this.world.namespaces.get(name);
    if (namespace === undefined) return [];
    return this.world
      .concerned(namespace)
      .filter((profile) => this.world.relation(profile, namespace) !== 'none')
      .map(({ metadata }) => this.results.of(metadata.name).get(name)?.state ?? 'pending');
  }

  /** Asks for one of many namespaces that something concerns; one that is new is not put behind the others. */
  #backfill(namespace: string): void {
    this.#queue.add(
      `namespace/${namespace}`,
      this.#events.has(namespace) ? Priority.live : Priority.backfill,
    );
  }

  #reconcileProfile(name: string, signal: AbortSignal): Promise<Outcome> {
    const { clock, observer } = this.#options;
    const reconciler: ProfileReconciler = {
      ...this.#resources,
      world: this.world,
      results: this.results,
      admission: this.#admission,
      reported: this.#reported,
      clock,
      onStatus: (profile, status, admission) =>
        observer.onStatus(profile, status, this.results.of(name), admission),
      onJudged: (durationMs) => this.#statusCost.set(name, durationMs),
      onGone: (profile) => {
        this.#statusCost.delete(profile);
        observer.onGone(profile);
      },
    };
    this.#statusWritten.set(name, clock.monotonic());
    return reconcileProfile(name, reconciler, signal);
  }

  #profileChanged({ old, new: next, origin }: Change<ProfileItem>): void {
    const name = (next ?? old)?.key ?? '';
    const intent = (item: ProfileItem | undefined) =>
      item &&
      JSON.stringify([
        item.uid,
        item.profile.metadata.generation,
        item.profile.metadata.deletionTimestamp,
        item.profile.metadata.finalizers,
      ]);
    const same = intent(old) === intent(next);
    // The answer to our own write of the status may be the first to tell what somebody else has changed.
    if (same && origin === 'own') return;
    this.#queue.add(`profile/${name}`, Priority.live);
    if (same) return;
    this.#queue.add(ADMISSION, Priority.live);
    if ([old, next].some((item) => item !== undefined && accountsOf(item.profile).length > 0))
      this.#queue.add(ACCOUNTS, Priority.live);
    if (next === undefined) this.#statusWritten.delete(name);
    // Nothing is enforced of a new one before it has our finalizer, whose event comes next.
    else if (
      old === undefined &&
      !hasFinalizer(next.profile) &&
      next.profile.metadata.deletionTimestamp === undefined
    )
      return;
    const touched = new Set(this.world.namespacesWithPoliciesOf(name));
    for (const namespace of this.world.namespaces.values()) {
      const selected = [old, next].some(
        (item) => item !== undefined && this.world.selects(item.profile, namespace),
      );
      if (selected) touched.add(namespace.key);
    }
    for (const namespace of touched) {
      this.#intended.add(namespace);
      this.#backfill(namespace);
    }
  }

  #namespaceChanged({ old, new: next }: Change<NamespaceItem>): void {
    const key = (next ?? old)?.key ?? '';
    const relevant = (item: NamespaceItem | undefined) =>
      item && JSON.stringify([item.uid, item.labels, item.terminating]);
    if (relevant(old) === relevant(next)) return;
    if (next === undefined || next.terminating) this.#events.delete(key);
    else this.#events.set(key, this.#options.clock.monotonic());
    this.#queue.add(`namespace/${key}`, Priority.live);
    // How many namespaces a profile selects is part of its status, whether or not policies change.
    for (const { key: profile } of this.world.profiles.values()) this.#statusChanged(profile);
  }

  #policyChanged({ old, new: next, origin }: Change<PolicyItem>): void {
    for (const item of [old, next]) {
      const profile = item && this.world.ownerOf(item);
      if (profile !== undefined) this.#statusChanged(profile);
    }
    if (old?.reliesOn.join() !== next?.reliesOn.join())
      this.#queue.addAfter(ACCOUNTS, ADMISSION_DELAY, Priority.live);
    if (origin === 'own') return;
    const namespace = (next ?? old)?.namespace ?? '';
    if (old?.reach !== next?.reach) this.#allowanceChanged(namespace);
    this.#drifted.add(namespace);
    this.#queue.add(`namespace/${namespace}`, Priority.drift);
  }

  /** What others allow in the namespace is part of the status of profiles that limit it. */
  #allowanceChanged(name: string): void {
    const namespace = this.world.namespaces.get(name);
    if (namespace === undefined) return;
    for (const { key, profile } of this.world.profiles.values()) {
      if (profile.spec.admission !== undefined && this.world.selects(profile, namespace))
        this.#statusChanged(key);
    }
  }

  #resultsChanged(profile: string): void {
    this.#statusChanged(profile);
    if (this.world.profile(profile)?.spec.admission !== undefined)
      this.#queue.addAfter(ADMISSION, ADMISSION_DELAY, Priority.live);
  }

  /** Begun once bindings matter: most clusters have none. What is there is read anew each time; this only says when. */
  #watchBindings({ plural }: ResourceKind, path: string): void {
    if (this.#bindingWatches.has(path)) return;
    this.#bindingWatches.add(path);
    const store = new Store<Item>();
    store.subscribe(() => {
      for (const key of [ADMISSION, ACCOUNTS] as const)
        this.#queue.addAfter(key, ADMISSION_DELAY, Priority.drift);
    });
    void this.#watch(plural, path, identity, store);
  }

  /** A status is judged soon after a change, and no more often than each interval. */
  #statusChanged(profile: string): void {
    const now = this.#options.clock.monotonic();
    const last = this.#statusWritten.get(profile) ?? Number.NEGATIVE_INFINITY;
    const interval = Math.max(STATUS_INTERVAL, (this.#statusCost.get(profile) ?? 0) / STATUS_SHARE);
    this.#queue.addAfter(`profile/${profile}`, Math.max(20, last + interval - now), Priority.live);
  }
}

interface Watched {
  readonly resource: string;
  readonly reflector: { readonly hasSynced: boolean; readonly lastContact: number };
  readonly ended: Promise<void>;
}
