/**
 * The reflectors of the controller: those of profiles, namespaces and policies, which feed the cluster state, and those
 * of admission bindings, of which only the fact of a change matters. All go on until the controller stops.
 */
import type { KubeObject } from '../api/meta.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { Clock, Random } from '../util/clock.ts';
import { Reflector } from '../kube/watch/reflector.ts';
import type { Resource, ResourceKind } from '../kube/resource.ts';
import { type Item, Store } from '../kube/watch/store.ts';
import type { ReadObject } from '../kube/http/binary-format.ts';
import type { Transport } from '../kube/http/transport.ts';
import {
  type NamespaceItem,
  type PolicyItem,
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
  /** Every resource is listed again this often, in milliseconds; 0: never. */
  readonly resyncMs: number;
  readonly observer: Pick<ControllerObserver, 'onWatchError' | 'onSynced'>;
}

/** The resources that are always watched. */
export interface WatchedResources {
  readonly profiles: Resource<SegmentationProfile>;
  readonly namespaces: Resource<KubeObject>;
  readonly policies: Resource<NetworkPolicy>;
}

/** A resource to be watched. */
interface Watch<T extends Item> {
  /** The plural name, as logs and metrics have it. */
  readonly resource: string;
  readonly path: string;
  readonly project: (raw: object) => T;
  readonly sink: Store<T>;
  readonly readObject?: ReadObject;
}

/** A resource that is watched. */
interface Watched {
  readonly resource: string;
  readonly reflector: { readonly hasSynced: boolean; readonly lastContact: number };
  readonly ended: Promise<void>;
}

export class Watches {
  readonly #options: WatchesOptions;
  readonly #signal: AbortSignal;
  readonly #watches: Watched[] = [];
  /** The paths that are followed. */
  readonly #followed = new Set<string>();

  /** @param signal ends all watches */
  constructor(options: WatchesOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** True if every watch has read its resource completely. */
  get synced(): boolean {
    return this.#watches.length > 0 && this.#watches.every(({ reflector }) => reflector.hasSynced);
  }

  /** Milliseconds since each watch was last heard of, by resource. */
  ages(): [string, number][] {
    const now = this.#options.clock.monotonic();
    return this.#watches.map(({ resource, reflector }) => [resource, now - reflector.lastContact]);
  }

  /** Fills the cluster state and keeps it current; resolves once it is complete, or the watches have ended. */
  async feed(
    clusterState: ClusterState,
    { profiles, namespaces, policies }: WatchedResources,
  ): Promise<void> {
    await Promise.all([
      this.#start<ProfileItem>({
        resource: 'segmentationprofiles',
        path: profiles.collection(),
        project: projectProfile,
        sink: clusterState.profiles,
      }),
      this.#start<NamespaceItem>({
        resource: 'namespaces',
        path: namespaces.collection(),
        project: projectNamespace,
        sink: clusterState.namespaces,
      }),
      this.#start<PolicyItem>({
        resource: 'networkpolicies',
        path: policies.collection(),
        project: clusterState.policies.project,
        sink: clusterState.policies,
        readObject: clusterState.policies.readObject,
      }),
    ]);
  }

  /** Calls `onChange` after each change of an object at the path. Later calls for the same path do nothing. */
  follow({ plural }: ResourceKind, path: string, onChange: () => void): void {
    if (this.#followed.has(path)) return;
    this.#followed.add(path);
    const store = new Store<Item>();
    store.subscribe(onChange);
    void this.#start<Item>({ resource: plural, path, project: projectKeyOnly, sink: store });
  }

  /** Resolves when all watches have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#watches.map(({ ended }) => ended));
  }

  /** Fills `sink` and keeps it current; resolves once it is complete, or the watch has ended. */
  #start<T extends Item>({ resource, path, project, sink, readObject }: Watch<T>): Promise<void> {
    const { transport, clock, random, observer, resyncMs } = this.#options;
    const reflector = new Reflector<T>({
      transport,
      path,
      project,
      readObject,
      sink,
      clock,
      random,
      relistMs: resyncMs,
      onError: (error, retryInMs) => observer.onWatchError(resource, error, retryInMs),
      onList: ({ items }) => observer.onSynced(resource, items),
    });
    const ended = reflector.run(this.#signal);
    this.#watches.push({ resource, reflector, ended });
    return Promise.race([reflector.synced, ended]);
  }
}
