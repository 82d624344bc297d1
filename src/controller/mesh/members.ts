/**
 * The namespaces whose pods all speak mutual TLS, so that they can be told by identity: istiod injects sidecars into their pods by
 * default, and no pod without a sidecar was there when they were looked at. From then on a namespace stays a member as long as
 * istiod injects there: a pod without a sidecar that comes later was never let in.
 */
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAborted } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import { injectsAll, type MeshFacts } from '../../policy/mesh.ts';
import type { Clock, Timer } from '../../util/clock.ts';

export interface MembersOptions {
  readonly pods: Pick<Resource<KubeObject>, 'list'>;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly facts: () => MeshFacts | undefined;
  /** The namespaces that are members now have changed. */
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

/** istiod labels the pods that it injects sidecars into: clients speak mutual TLS to these. */
const WITHOUT_SIDECAR = 'security.istio.io/tlsMode!=istio';
const RUNNING = 'status.phase!=Succeeded,status.phase!=Failed';
/** Namespaces that have pods without sidecars are looked at again after this time, in milliseconds. */
const INTERVAL_MS = 30_000;

export class Members {
  readonly #options: MembersOptions;
  readonly #members = new Set<string>();
  /** Namespaces that somebody asked about, and that are no members yet. */
  readonly #candidates = new Set<string>();
  readonly #stopping = new AbortController();
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: MembersOptions) {
    this.#options = options;
    options.clusterState.namespaces.subscribe((change) => this.#namespaceChanged(change));
  }

  /** True if all pods of the namespace have an identity. Asking makes it looked at, soon. */
  has(namespace: string): boolean {
    if (!this.#isInjected(namespace)) return false;
    if (this.#members.has(namespace)) return true;
    if (!this.#candidates.has(namespace)) {
      this.#candidates.add(namespace);
      this.#lookAfter(0);
    }
    return false;
  }

  /** A namespace that is named as a member by an object which an earlier process has written. */
  remember(namespace: string): void {
    this.#members.add(namespace);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.cancel();
    await this.#looking;
  }

  #isInjected(namespace: string): boolean {
    const facts = this.#options.facts();
    const labels = this.#options.clusterState.namespaces.get(namespace)?.labels;
    return facts?.kind === 'available' && labels !== undefined && injectsAll(facts, labels);
  }

  #namespaceChanged({ old, new: next }: StoreChange<NamespaceItem>): void {
    const name = (next ?? old)?.key ?? '';
    if (!this.#members.has(name) || this.#isInjected(name)) return;
    this.#members.delete(name);
    this.#options.onChange();
  }

  #lookAfter(delayMs: number): void {
    if (this.#looking !== undefined) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.schedule(delayMs, () => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
        if (this.#candidates.size > 0 && !this.#stopping.signal.aborted) this.#lookAfter(INTERVAL_MS);
      });
    });
  }

  async #look(): Promise<void> {
    let hasChanged = false;
    for (const namespace of this.#candidates) {
      if (!this.#isInjected(namespace)) {
        this.#candidates.delete(namespace);
        continue;
      }
      try {
        if (await this.#hasOthers(namespace)) continue;
        this.#candidates.delete(namespace);
        this.#members.add(namespace);
        hasChanged = true;
      } catch (error) {
        if (isAborted(error)) return;
        this.#options.onError(error);
      }
    }
    if (hasChanged) this.#options.onChange();
  }

  /** True if a pod of the namespace has no sidecar. */
  async #hasOthers(namespace: string): Promise<boolean> {
    const { items } = await this.#options.pods.list({
      namespace,
      limit: 1,
      labelSelector: WITHOUT_SIDECAR,
      fieldSelector: RUNNING,
      signal: this.#stopping.signal,
    });
    return items.length > 0;
  }
}
