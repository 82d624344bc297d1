/**
 * Watches Deployments, StatefulSets and DaemonSets of the namespaces of a wave, and pods that belong to none of them, while
 * it is under way, and knows which of them are unavailable, and since when.
 */
import type { KubeObject } from '../../api/meta.ts';
import { projectKeyOnly } from '../../cluster-state/items.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource, type ResourceKind } from '../../kube/resource.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import { type Item, Store, type StoreChange } from '../../kube/watch/store.ts';
import {
  isPodUnavailable,
  isUnavailable,
  type UnavailableWorkload,
  type WorkloadInput,
  type WorkloadScale,
} from '../../rollout/workload-gate.ts';
import type { Clock, Random, Timer } from '../../util/clock.ts';
import { compareText } from '../../util/order.ts';
import { errorToReport } from './list-error.ts';

interface WatchedKind extends ResourceKind {
  readonly kind: string;
  readonly labelSelector?: string;
  readonly isUnavailable: (raw: object) => boolean;
}

const apps = (kind: string, plural: string): WatchedKind => ({
  group: 'apps',
  version: 'v1',
  plural,
  namespaced: true,
  kind,
  isUnavailable: (raw) => isUnavailable(scaleOf(raw as Workload, kind)),
});

/**
 * Pods without the labels that the controllers of Deployments, StatefulSets, DaemonSets and Jobs set: the API server leaves out
 * the others, which are most.
 */
const OTHER_PODS = '!pod-template-hash,!controller-revision-hash,!batch.kubernetes.io/job-name';

const KINDS: readonly WatchedKind[] = [
  apps('Deployment', 'deployments'),
  apps('StatefulSet', 'statefulsets'),
  apps('DaemonSet', 'daemonsets'),
  {
    group: '',
    version: 'v1',
    plural: 'pods',
    namespaced: true,
    kind: 'Pod',
    labelSelector: OTHER_PODS,
    isUnavailable: (raw) => isPodUnavailable(raw),
  },
];

/** Milliseconds for which a watch may have failed before that is reported: most resume at once. */
const BLIP_MS = 15_000;
/** Milliseconds between two looks at a watch that has failed. */
const RECHECK_MS = 2_000;

/** More namespaces than this are watched all at once, with all others of the cluster. */
const MOST_SINGLE_WATCHES = 8;

export interface WorkloadWatchOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** All workloads are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** Called when a workload becomes available or unavailable, when all are known, and when they can't be read. */
  readonly onChange: () => void;
}

interface WorkloadItem extends Item {
  readonly workload: Omit<UnavailableWorkload, 'since'>;
  readonly isUnavailable: boolean;
}

/** A collection of workloads that can't be read. */
export interface UnreadCollection {
  /** `deployments.apps in namespace a`, or `deployments.apps` in the whole cluster. */
  readonly name: string;
  readonly error: unknown;
}

/** The watch of one kind, in one namespace or in the whole cluster. */
interface KindWatch {
  /** The name in `UnreadCollection`. */
  readonly name: string;
  readonly reflector: Reflector<WorkloadItem>;
  readonly store: Store<WorkloadItem>;
  /** Why its items are not known, or not current; undefined if no attempt has failed since they were. */
  error: unknown;
  /** Since when it fails; undefined while its items are current. */
  failure: WatchFailure | undefined;
}

/** Times are monotonic milliseconds. */
interface WatchFailure {
  readonly since: number;
  /** When the latest attempt failed. */
  latest: number;
  /** True once the API server has answered again: the events that were missed arrive within moments. */
  hasResumed: boolean;
  isReported: boolean;
  timer: Timer;
}

/** The watches of one namespace, or of the whole cluster. */
interface Scope {
  readonly watches: readonly KindWatch[];
  readonly ended: Promise<unknown>;
  readonly stopping: AbortController;
}

/** The key of the scope of the whole cluster; no namespace has this name. */
const CLUSTER = '';

export class WorkloadWatch {
  readonly #options: WorkloadWatchOptions;
  readonly #scopes = new Map<string, Scope>();
  /** Since when each unavailable workload is so, as far as this process has seen; milliseconds since the epoch. */
  readonly #since = new Map<string, number>();

  constructor(options: WorkloadWatchOptions) {
    this.#options = options;
  }

  /** Watches the workloads of these namespaces, and no others. */
  follow(namespaces: ReadonlySet<string>): void {
    const scopes = namespaces.size > MOST_SINGLE_WATCHES ? new Set([CLUSTER]) : namespaces;
    for (const [key, scope] of this.#scopes) {
      if (scopes.has(key)) continue;
      scope.stopping.abort();
      for (const { failure } of scope.watches) failure?.timer.cancel();
      this.#scopes.delete(key);
    }
    for (const key of scopes) if (!this.#scopes.has(key)) this.#scopes.set(key, this.#open(key));
    if (this.#scopes.size === 0) this.#since.clear();
  }

  async stop(): Promise<void> {
    const scopes = [...this.#scopes.values()];
    this.follow(new Set());
    await Promise.all(scopes.map(({ ended }) => ended));
  }

  /** The collections that are known to be unreadable, by name. */
  get unread(): readonly UnreadCollection[] {
    const now = this.#options.clock.monotonic();
    const isUnread = ({ reflector, failure, error }: KindWatch) =>
      error !== undefined &&
      (!reflector.hasSynced || (failure !== undefined && now - failure.since >= BLIP_MS));
    return [...this.#scopes.values()]
      .flatMap(({ watches }) => watches.filter(isUnread))
      .sort((a, b) => compareText(a.name, b.name));
  }

  get input(): WorkloadInput {
    const unavailable = [...this.#scopes.values()].flatMap(({ watches }) =>
      watches.flatMap(({ store }) =>
        [...store.values()].flatMap((item) =>
          item.isUnavailable ? [{ ...item.workload, since: this.#since.get(item.workload.name) ?? 0 }] : [],
        ),
      ),
    );
    const covers = (namespace: string) =>
      [CLUSTER, namespace].some((key) => {
        const scope = this.#scopes.get(key);
        return scope !== undefined && isRead(scope);
      });
    return { kind: 'read', covers, unavailable };
  }

  /** True if all workloads are known, and current. */
  get #isRead(): boolean {
    return [...this.#scopes.values()].every(isRead);
  }

  #open(key: string): Scope {
    const stopping = new AbortController();
    const watches = KINDS.map((kind) => this.#watch(kind, key, stopping.signal));
    const ended = Promise.all(watches.map(({ reflector }) => reflector.run(stopping.signal)));
    void Promise.all(watches.map(({ reflector }) => reflector.synced)).then(this.#options.onChange);
    return { watches, ended, stopping };
  }

  #watch(kind: WatchedKind, key: string, signal: AbortSignal): KindWatch {
    const { transport, clock, random, resyncMs } = this.#options;
    const store = new Store<WorkloadItem>();
    store.subscribe((change) => this.#changed(change));
    const resource = new Resource(transport, kind);
    const reflector = new Reflector<WorkloadItem>({
      transport,
      path: key === CLUSTER ? resource.collection() : resource.collection(key),
      ...(kind.labelSelector !== undefined && { labelSelector: kind.labelSelector }),
      project: (raw) => project(raw as KubeObject, kind),
      sink: store,
      clock,
      random,
      relistMs: resyncMs,
      onError: (error) => {
        if (signal.aborted) return;
        this.#failed(watch, error);
      },
    });
    const place = key === CLUSTER ? '' : ` in namespace ${key}`;
    const name = `${kind.plural}${kind.group === '' ? '' : `.${kind.group}`}${place}`;
    const watch: KindWatch = { name, reflector, store, error: undefined, failure: undefined };
    return watch;
  }

  /** A watch has failed: until it has resumed, its items may be out of date. */
  #failed(watch: KindWatch, error: unknown): void {
    const { clock, onChange } = this.#options;
    const { hasSynced } = watch.reflector;
    watch.error = hasSynced ? error : errorToReport(watch.error, error);
    if (!hasSynced) return onChange();
    const now = clock.monotonic();
    if (watch.failure === undefined) {
      const timer = this.#lookAgain(watch);
      watch.failure = { since: now, latest: now, hasResumed: false, isReported: false, timer };
    } else {
      watch.failure.latest = now;
      watch.failure.hasResumed = false;
    }
  }

  #lookAgain(watch: KindWatch): Timer {
    return this.#options.clock.schedule(RECHECK_MS, () => this.#recheck(watch));
  }

  #recheck(watch: KindWatch): void {
    const { clock, onChange } = this.#options;
    const { reflector, failure } = watch;
    if (failure === undefined) return;
    const isAnswered = reflector.lastContact > failure.latest;
    if (isAnswered && failure.hasResumed) watch.failure = undefined;
    else failure.timer = this.#lookAgain(watch);
    failure.hasResumed = isAnswered;
    const isLost = !failure.isReported && clock.monotonic() - failure.since >= BLIP_MS;
    if (isLost) failure.isReported = true;
    if (isLost || this.#isRead) onChange();
  }

  #changed({ old, new: next }: StoreChange<WorkloadItem>): void {
    const name = (next ?? old)?.workload.name ?? '';
    const [was, is] = [old?.isUnavailable ?? false, next?.isUnavailable ?? false];
    if (was === is) return;
    if (is) this.#since.set(name, this.#options.clock.now());
    else this.#since.delete(name);
    this.#options.onChange();
  }
}

/** True if all workloads of the scope are known, and current. */
function isRead({ watches }: Scope): boolean {
  return watches.every(({ reflector, failure }) => reflector.hasSynced && failure === undefined);
}

interface RollingUpdate {
  readonly rollingUpdate?: { readonly maxUnavailable?: number | string };
}

interface Workload extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly strategy?: RollingUpdate;
    readonly updateStrategy?: RollingUpdate;
  };
  readonly status?: {
    readonly availableReplicas?: number;
    readonly desiredNumberScheduled?: number;
    readonly numberAvailable?: number;
  };
}

function project(raw: KubeObject, { kind, isUnavailable: judge }: WatchedKind): WorkloadItem {
  const { namespace = '', name, creationTimestamp = '', deletionTimestamp } = raw.metadata;
  return {
    ...projectKeyOnly(raw),
    workload: { namespace, name: `${namespace}/${kind}/${name}`, created: Date.parse(creationTimestamp) },
    // Somebody takes it away.
    isUnavailable: deletionTimestamp === undefined && judge(raw),
  };
}

function scaleOf({ spec = {}, status = {} }: Workload, kind: string): WorkloadScale {
  const { strategy, updateStrategy, replicas = 1 } = spec;
  const { maxUnavailable } = (strategy ?? updateStrategy)?.rollingUpdate ?? {};
  const isDaemonSet = kind === 'DaemonSet';
  return {
    desired: isDaemonSet ? (status.desiredNumberScheduled ?? 0) : replicas,
    available: (isDaemonSet ? status.numberAvailable : status.availableReplicas) ?? 0,
    // Without a value, StatefulSets and DaemonSets replace one pod at a time; a Recreate of a Deployment tolerates none.
    maxUnavailable: maxUnavailable ?? (kind === 'Deployment' ? 0 : 1),
  };
}
