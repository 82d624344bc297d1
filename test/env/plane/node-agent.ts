// Acts as scheduler and kubelet for the API server: creates one Node, binds every Pod to it, reports the Pod as Running
// and Ready with an IP of its own, and finishes its deletion. No container runs.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, ApiError } from './api-client.ts';
import type { ControlPlane } from './control-plane.ts';

export interface NodeAgent {
  /** Stops the agent. Resolves when its last request has ended. */
  stop(): Promise<void>;
}

interface Container {
  readonly name: string;
  readonly image?: string;
  readonly restartPolicy?: string;
}

interface Pod {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
  };
  readonly status?: { readonly phase?: string; readonly podIP?: string };
}

interface PodList {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly Pod[];
}

type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: Pod }
  | { readonly type: 'ERROR'; readonly object: unknown };

const PAGE_SIZE = 500;
const WATCH_TIMEOUT = 600; // s
const RELIST_DELAY = 200; // ms
/** First two bytes of Pod addresses, and the number of addresses. */
const POD_NETWORK = '10.244';
const POD_NETWORK_SIZE = 0xfffe;
/** The Node's address, from a range for documentation (RFC 5737): nothing connects to it. */
const NODE_ADDRESS = '192.0.2.10';
const NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'local', labels: { 'kubernetes.io/hostname': 'local', 'kubernetes.io/os': 'linux' } },
  spec: { podCIDR: `${POD_NETWORK}.0.0/16`, podCIDRs: [`${POD_NETWORK}.0.0/16`] },
  status: {
    addresses: [
      { type: 'InternalIP', address: NODE_ADDRESS },
      { type: 'Hostname', address: 'local' },
    ],
    capacity: { cpu: '1000', memory: '1Ti', pods: String(POD_NETWORK_SIZE) },
    conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'simulated' }],
  },
};

/** Starts the agent. Resolves when it has listed the existing Pods. */
export async function startNodeAgent(plane: Pick<ControlPlane, 'admin'>): Promise<NodeAgent> {
  await plane.admin.send('POST', '/api/v1/nodes', NODE).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.status === 409)) throw error; // an earlier agent has created it
  });
  const agent = new PodRunner(plane.admin);
  const resourceVersion = await agent.list();
  const stopping = new AbortController();
  const followed = agent.follow(resourceVersion, stopping.signal);
  return {
    stop: () => {
      stopping.abort();
      return followed;
    },
  };
}

class PodRunner {
  readonly #api: ApiClient;
  readonly #addresses = new Addresses();
  readonly #work = new Set<Promise<void>>();
  #watching = new AbortController();

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Watches and lists Pods repeatedly until `signal` is aborted or the control plane has stopped. */
  async follow(resourceVersion: string, signal: AbortSignal): Promise<void> {
    for (let from: string | undefined = resourceVersion; !signal.aborted && !this.#api.closed; ) {
      try {
        await this.#watch(from ?? (await this.list()), signal);
      } catch {
        // The API server is away or the version too old: the next list has the missed changes.
      }
      from = undefined;
      await sleep(RELIST_DELAY, undefined, { signal }).catch(() => {});
    }
    await Promise.all(this.#work);
  }

  /** Handles all Pods and returns the version to watch from. Rejects if a page can't be read. */
  async list(): Promise<string> {
    const pods: Pod[] = [];
    let page: PodList | undefined;
    do {
      const query = new URLSearchParams({
        limit: String(PAGE_SIZE),
        continue: page?.metadata.continue ?? '',
      });
      page = (await this.#api.send('GET', `/api/v1/pods?${query.toString()}`)) as PodList;
      pods.push(...page.items);
    } while (page.metadata.continue);
    this.#addresses.keep(new Set(pods.map(({ metadata }) => metadata.uid)));
    for (const { metadata, status } of pods) {
      if (status?.podIP) this.#addresses.claim(metadata.uid, status.podIP); // before a new address is assigned
    }
    for (const pod of pods) this.#handle(pod);
    return page.metadata.resourceVersion;
  }

  /** Returns when the watch ends or a write has failed, so that Pods are listed again. */
  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    this.#watching = new AbortController();
    const query = new URLSearchParams({
      watch: 'true',
      resourceVersion,
      timeoutSeconds: String(WATCH_TIMEOUT),
    });
    const events = this.#api.stream(
      `/api/v1/pods?${query.toString()}`,
      AbortSignal.any([signal, this.#watching.signal]),
    );
    for await (const event of events as AsyncIterable<WatchEvent>) {
      if (event.type === 'ERROR') return;
      if (event.type === 'DELETED') this.#addresses.release(event.object.metadata.uid);
      else this.#handle(event.object);
    }
  }

  #handle(pod: Pod): void {
    const { uid, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp !== undefined) {
      if (pod.spec.nodeName) this.#follow(pod, this.#remove(pod));
    } else if (pod.status?.phase === 'Pending' && !this.#addresses.has(uid)) {
      this.#follow(pod, this.#run(pod, this.#addresses.assign(uid)));
    }
  }

  async #run(pod: Pod, address: string): Promise<void> {
    const { uid, name } = pod.metadata;
    if (!pod.spec.nodeName) {
      const binding = { metadata: { name, uid }, target: { kind: 'Node', name: NODE.metadata.name } };
      await this.#api.send('POST', `${pathOf(pod)}/binding`, binding);
    }
    const status = runningStatus(pod, address);
    await this.#api.send('PATCH', `${pathOf(pod)}/status`, { metadata: { uid }, status });
  }

  async #remove(pod: Pod): Promise<void> {
    const { uid } = pod.metadata;
    await this.#api.send('DELETE', pathOf(pod), { gracePeriodSeconds: 0, preconditions: { uid } });
  }

  /** Ends the watch if the work fails, so that Pods are listed again; not if the Pod is gone or was replaced. */
  #follow({ metadata }: Pod, work: Promise<void>): void {
    const settled = work
      .catch((error: unknown) => {
        if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return;
        this.#addresses.release(metadata.uid);
        this.#watching.abort();
      })
      .finally(() => this.#work.delete(settled));
    this.#work.add(settled);
  }
}

function pathOf({ metadata }: Pod): string {
  return `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
}

/** Assigns addresses to Pods, by UID. */
class Addresses {
  readonly #byPod = new Map<string, string>();
  readonly #used = new Set<string>();
  #last = 0;

  has(uid: string): boolean {
    return this.#byPod.has(uid);
  }

  claim(uid: string, address: string): void {
    this.release(uid);
    this.#byPod.set(uid, address);
    this.#used.add(address);
  }

  release(uid: string): void {
    this.#used.delete(this.#byPod.get(uid) ?? '');
    this.#byPod.delete(uid);
  }

  /** Releases the addresses of all other Pods. */
  keep(uids: ReadonlySet<string>): void {
    for (const uid of this.#byPod.keys()) if (!uids.has(uid)) this.release(uid);
  }

  /** Assigns the free address that has been unused for the longest time. */
  assign(uid: string): string {
    for (let tries = 0; tries < POD_NETWORK_SIZE; tries++) {
      this.#last = (this.#last % POD_NETWORK_SIZE) + 1;
      const address = `${POD_NETWORK}.${this.#last >> 8}.${this.#last & 0xff}`;
      if (this.#used.has(address)) continue;
      this.claim(uid, address);
      return address;
    }
    throw new Error(`no address is left in ${POD_NETWORK}.0.0/16`);
  }
}

function runningStatus({ spec }: Pod, address: string): object {
  const now = new Date().toISOString();
  const types = ['PodScheduled', 'PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready'];
  const running = { running: { startedAt: now } };
  const completed = { terminated: { reason: 'Completed', exitCode: 0, startedAt: now, finishedAt: now } };
  const report = (containers: readonly Container[], stateOf: (container: Container) => object) =>
    containers.map((container) => ({
      name: container.name,
      image: container.image ?? '',
      imageID: '',
      ready: true,
      started: true,
      restartCount: 0,
      state: stateOf(container),
    }));
  return {
    phase: 'Running',
    startTime: now,
    hostIP: NODE_ADDRESS,
    hostIPs: [{ ip: NODE_ADDRESS }],
    podIP: address,
    podIPs: [{ ip: address }],
    conditions: types.map((type) => ({ type, status: 'True', lastTransitionTime: now })),
    containerStatuses: report(spec.containers, () => running),
    initContainerStatuses: report(spec.initContainers ?? [], ({ restartPolicy }) =>
      restartPolicy === 'Always' ? running : completed,
    ),
  };
}
