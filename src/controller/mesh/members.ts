/**
 * The namespaces whose pods all speak mutual TLS, so that they can be told by identity: their pods get into the mesh by
 * default, and no pod out of it was there when they were looked at. From then on a namespace stays a member as long as its pods
 * get into the mesh: a pod out of it that comes later was never let in.
 */
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAborted } from '../../kube/errors.ts';
import type { StoreChange } from '../../kube/watch/store.ts';
import type { MeshFacts } from '../../policy/mesh.ts';
import type { Clock, Timer } from '../../util/clock.ts';
import type { Enrolment, Pods } from './enrolment.ts';

export interface MembersOptions {
  readonly enrolment: Enrolment;
  readonly pods: Pods;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly facts: () => MeshFacts | undefined;
  /** The namespaces that are members now have changed. */
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

/** Namespaces that have pods out of the mesh are looked at again after this time, in milliseconds. */
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
    if (!this.#isEnrolled(namespace)) return false;
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

  #isEnrolled(namespace: string): boolean {
    const facts = this.#options.facts();
    const labels = this.#options.clusterState.namespaces.get(namespace)?.labels;
    return (
      facts?.kind === 'available' && labels !== undefined && this.#options.enrolment.includes(facts, labels)
    );
  }

  #namespaceChanged({ old, new: next }: StoreChange<NamespaceItem>): void {
    const name = (next ?? old)?.key ?? '';
    if (!this.#members.has(name) || this.#isEnrolled(name)) return;
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
    const { enrolment, pods } = this.#options;
    let hasChanged = false;
    for (const namespace of this.#candidates) {
      if (!this.#isEnrolled(namespace)) {
        this.#candidates.delete(namespace);
        continue;
      }
      try {
        if (await enrolment.hasOthers(pods, namespace, this.#stopping.signal)) continue;
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
}
