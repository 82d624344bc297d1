/**
 * The reflectors of the controller: those of profiles, namespaces and policies, which feed the watched state, and those
 * that only tell that something has changed. All go on until the controller stops.
 */
import type { KubeObject } from '../api/meta.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { Clock, Random } from '../util/clock.ts';
import { Reflector } from '../kube/watch/reflector.ts';
import type { Resource, ResourceKind } from '../kube/resource.ts';
import { type Item, Store } from '../kube/watch/store.ts';
import type { Parse, Transport } from '../kube/http/transport.ts';
import {
  type NamespaceItem,
  type ProfileItem,
  projectKeyOnly,
  projectNamespace,
  projectProfile,
} from '../cluster-state/items.ts';
import type { ControllerObserver } from './observer.ts';
import type { ClusterState } from '../cluster-state/state.ts';

export interface WatchesOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** All is listed anew this often, in milliseconds; 0: never. */
  readonly resyncMs: number;
  readonly observer: Pick<ControllerObserver, 'onWatchError' | 'onSynced'>;
}

/** What is always watched. */
export interface WatchedResources {
  readonly profiles: Resource<SegmentationProfile>;
  readonly namespaces: Resource<KubeObject>;
  readonly policies: Resource<NetworkPolicy>;
}

interface Watched {
  readonly resource: string;
  readonly reflector: { readonly hasSynced: boolean; readonly lastContact: number };
  readonly ended: Promise<void>;
}

export class Watches {
  readonly #options: WatchesOptions;
  readonly #signal: AbortSignal;
  readonly #watches: Watched[] = [];
  /** Paths whose changes are told of. */
  readonly #followed = new Set<string>();

  /** @param signal ends all watches */
  constructor(options: WatchesOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** Whether the caches hold what the API server has. */
  get synced(): boolean {
    return this.#watches.length > 0 && this.#watches.every(({ reflector }) => reflector.hasSynced);
  }

  /** Milliseconds since each watch was last heard of, by resource. */
  ages(): [string, number][] {
    const now = this.#options.clock.monotonic();
    return this.#watches.map(({ resource, reflector }) => [resource, now - reflector.lastContact]);
  }

  /** Fills the watched state and keeps it; resolves once it is complete, or the signal has come. */
  async feed(
    clusterState: ClusterState,
    { profiles, namespaces, policies }: WatchedResources,
  ): Promise<void> {
    await Promise.all([
      this.#start<ProfileItem>(
        'segmentationprofiles',
        profiles.collection(),
        projectProfile,
        clusterState.profiles,
      ),
      this.#start<NamespaceItem>(
        'namespaces',
        namespaces.collection(),
        projectNamespace,
        clusterState.namespaces,
      ),
      this.#start(
        'networkpolicies',
        policies.collection(),
        clusterState.policies.project,
        clusterState.policies,
        clusterState.policies.parse,
      ),
    ]);
  }

  /** Tells that something at the path has changed, from the first call on; later ones do nothing. */
  follow({ plural }: ResourceKind, path: string, onChange: () => void): void {
    if (this.#followed.has(path)) return;
    this.#followed.add(path);
    const store = new Store<Item>();
    store.subscribe(onChange);
    void this.#start(plural, path, projectKeyOnly, store);
  }

  /** Resolves when all have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#watches.map(({ ended }) => ended));
  }

  /** Keeps `sink` as the API server has it; resolves once it is complete, or the watch has ended. */
  #start<T extends Item>(
    resource: string,
    path: string,
    project: (raw: object) => T,
    sink: Store<T>,
    parse?: Parse,
  ): Promise<void> {
    const { transport, clock, random, observer, resyncMs } = this.#options;
    const reflector = new Reflector<T>({
      transport,
      path,
      project,
      ...(parse && { parse }),
      sink,
      clock,
      random,
      ...(resyncMs > 0 && { relistMs: resyncMs }),
      onError: (error, retryInMs) => observer.onWatchError(resource, error, retryInMs),
      onList: ({ items }) => observer.onSynced(resource, items),
    });
    const ended = reflector.run(this.#signal);
    this.#watches.push({ resource, reflector, ended });
    return Promise.race([reflector.synced, ended]);
  }
}
