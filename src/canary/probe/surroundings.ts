/** Watches the canary's pods and the NetworkPolicies of its namespaces, for a probe. Writes nothing. */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { LABEL_PROFILE } from '../../api/names.ts';
import type { Namespace } from '../../analysis/cluster.ts';
import { NAMESPACES, NETWORK_POLICIES, PODS } from '../../cluster-state/items.ts';
import { projectKeyOnly } from '../../cluster-state/items.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource } from '../../kube/resource.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import { type Item, Store } from '../../kube/watch/store.ts';
import type { Clock, Random } from '../../util/clock.ts';
import type { AddressTarget, CanaryPod, Side, Surroundings } from '../model/matrix.ts';
import { CANARY_NAMESPACES, FLIPPED_POLICY, INSIDE, LABEL_CANARY } from '../model/names.ts';

export interface WatcherOptions {
  readonly transport: Transport;
  /** The uid of the probe's own Pod. */
  readonly uid: string;
  readonly addresses: readonly AddressTarget[];
  readonly clock: Clock;
  readonly random: Random;
  /** Everything is listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  readonly onError: (resource: string, error: unknown) => void;
}

interface Kept<T> extends Item {
  readonly value: T;
}

/** The parts of a Pod that are read. */
interface PodObject extends KubeObject {
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: {
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** The name of the canary's own profile, in config/canary. */
const CANARY_PROFILE = INSIDE;

export class SurroundingsWatcher {
  readonly #options: WatcherOptions;
  readonly #pods = new Map<string, Store<Kept<CanaryPod | undefined>>>();
  readonly #policies = new Map<string, Store<Kept<NetworkPolicy>>>();
  readonly #namespaces: Resource<KubeObject>;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#namespaces = new Resource(options.transport, NAMESPACES);
  }

  /** Watches until `signal` is aborted. Resolves when everything has been read once. */
  async watch(signal: AbortSignal): Promise<void> {
    const { transport } = this.#options;
    const pods = new Resource<PodObject>(transport, PODS);
    const policies = new Resource<NetworkPolicy>(transport, NETWORK_POLICIES);
    const synced = CANARY_NAMESPACES.flatMap((namespace) => {
      const podStore = new Store<Kept<CanaryPod | undefined>>();
      const policyStore = new Store<Kept<NetworkPolicy>>();
      this.#pods.set(namespace, podStore);
      this.#policies.set(namespace, policyStore);
      return [
        this.#reflect('pods', pods.collection(namespace), { sink: podStore, read: canaryPod }, signal),
        this.#reflect(
          'networkpolicies',
          policies.collection(namespace),
          { sink: policyStore, read: (raw) => raw as NetworkPolicy },
          signal,
        ),
      ];
    });
    await Promise.all(synced);
  }

  #reflect<T>(
    resource: string,
    path: string,
    { sink, read }: { readonly sink: Store<Kept<T>>; readonly read: (raw: object) => T },
    signal: AbortSignal,
  ): Promise<void> {
    const { transport, clock, random, resyncMs, onError } = this.#options;
    const reflector = new Reflector<Kept<T>>({
      transport,
      path,
      sink,
      clock,
      random,
      relistMs: resyncMs,
      project: (raw) => ({ ...projectKeyOnly(raw), value: read(raw) }),
      onError: (error) => onError(resource, error),
    });
    const ended = reflector.run(signal);
    return Promise.race([reflector.synced, ended]);
  }

  /** Everything as it is known now; undefined until the own Pod has an address. Reads the labels of the namespaces live. */
  async current(signal: AbortSignal): Promise<Surroundings | undefined> {
    const { uid, addresses } = this.#options;
    const pods = [...this.#pods.values()].flatMap((store) =>
      [...store.values()].flatMap(({ value }) => (value === undefined ? [] : [value])),
    );
    const self = pods.find((pod) => pod.uid === uid);
    if (self === undefined || self.ips.length === 0) return undefined;
    const namespaces = await Promise.all(
      CANARY_NAMESPACES.map(async (name): Promise<Namespace> => {
        const { metadata } = await this.#namespaces.get(name, undefined, { signal });
        return { name, labels: metadata.labels ?? {} };
      }),
    );
    return { self, pods, addresses, namespaces, policies: this.policies() };
  }

  policies(): NetworkPolicy[] {
    return [...this.#policies.values()].flatMap((store) => [...store.values()].map(({ value }) => value));
  }

  /** NAMESPACE/NAME of the policies that are neither the canary profile's nor the one that probes flip, in order. */
  foreignPolicies(): string[] {
    return this.policies()
      .filter(
        ({ metadata }) =>
          metadata.labels?.[LABEL_PROFILE] !== CANARY_PROFILE && metadata.name !== FLIPPED_POLICY,
      )
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
      .sort();
  }
}

/** Undefined for a pod that is not the canary's, or is on the host network, where no policy applies. */
function canaryPod(raw: object): CanaryPod | undefined {
  const { metadata, spec, status } = raw as PodObject;
  const side = metadata.labels?.[LABEL_CANARY];
  if (!isSide(side) || spec?.hostNetwork === true) return undefined;
  const isReady =
    status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? false;
  return {
    uid: metadata.uid ?? '',
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    labels: metadata.labels ?? {},
    node: spec?.nodeName ?? '',
    ips: (status?.podIPs ?? []).map(({ ip }) => ip),
    side,
    isReady: isReady && metadata.deletionTimestamp === undefined,
  };
}

function isSide(text: string | undefined): text is Side {
  return text === 'inside' || text === 'outside';
}
