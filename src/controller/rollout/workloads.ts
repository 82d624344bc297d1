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
import type { Clock, Random } from '../../util/clock.ts';

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

/** The watches of one namespace, or of the whole cluster. */
interface Scope {
  readonly reflectors: readonly Reflector<WorkloadItem>[];
  readonly stores: readonly Store<WorkloadItem>[];
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
  #error: unknown;

  constructor(options: WorkloadWatchOptions) {
    this.#options = options;
  }

  /** Watches the workloads of these namespaces, and no others. */
  follow(namespaces: ReadonlySet<string>): void {
    const scopes = namespaces.size > MOST_SINGLE_WATCHES ? new Set([CLUSTER]) : namespaces;
    for (const [key, scope] of this.#scopes) {
      if (scopes.has(key)) continue;
      scope.stopping.abort();
      this.#scopes.delete(key);
    }
    for (const key of scopes) if (!this.#scopes.has(key)) this.#scopes.set(key, this.#open(key));
    if (this.#scopes.size === 0) {
      this.#since.clear();
      this.#error = undefined;
    }
  }

  async stop(): Promise<void> {
    const scopes = [...this.#scopes.values()];
    this.follow(new Set());
    await Promise.all(scopes.map(({ ended }) => ended));
  }

  /** Why workloads can't be read; undefined if that is not known, or they can. */
  get error(): unknown {
    return [...this.#scopes.values()].every(isRead) ? undefined : this.#error;
  }

  get input(): WorkloadInput {
    const unavailable = [...this.#scopes.values()].flatMap(({ stores }) =>
      stores.flatMap((store) =>
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

  #open(key: string): Scope {
    const { transport, clock, random, resyncMs, onChange } = this.#options;
    const stopping = new AbortController();
    const stores: Store<WorkloadItem>[] = [];
    const reflectors = KINDS.map((kind) => {
      const store = new Store<WorkloadItem>();
      store.subscribe((change) => this.#changed(change));
      stores.push(store);
      const resource = new Resource(transport, kind);
      return new Reflector<WorkloadItem>({
        transport,
        path: key === CLUSTER ? resource.collection() : resource.collection(key),
        ...(kind.labelSelector !== undefined && { labelSelector: kind.labelSelector }),
        project: (raw) => project(raw as KubeObject, kind),
        sink: store,
        clock,
        random,
        ...(resyncMs > 0 && { relistMs: resyncMs }),
        onError: (error) => {
          this.#error = error;
          onChange();
        },
      });
    });
    const ended = Promise.all(reflectors.map((each) => each.run(stopping.signal)));
    void Promise.all(reflectors.map(({ synced }) => synced)).then(onChange);
    return { reflectors, stores, ended, stopping };
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

function isRead({ reflectors }: Scope): boolean {
  return reflectors.every(({ hasSynced }) => hasSynced);
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
