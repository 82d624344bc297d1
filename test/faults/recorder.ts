/** Records every revision of the NetworkPolicies and Namespaces of a sandbox, by watches that bypass the proxy. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject, StringMap } from '../../src/api/meta.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { ControlPlane } from '../env/index.ts';
import { eventually, type Sandbox } from '../support/cluster.ts';

export type Revision = { readonly at: number } & (
  | { readonly kind: 'policy'; readonly object: NetworkPolicy; readonly deleted: boolean }
  | { readonly kind: 'namespace'; readonly object: KubeObject; readonly deleted: boolean }
);

const RECONNECT_MS = 50; // ms
const POLICIES = '/apis/networking.k8s.io/v1/networkpolicies';
const NAMESPACES = '/api/v1/namespaces';

/** The policies and namespaces at a revision. Immutable: each revision makes a copy. */
export interface ObservedCluster {
  /** By namespace. */
  readonly policies: ReadonlyMap<string, readonly NetworkPolicy[]>;
  readonly labels: ReadonlyMap<string, StringMap>;
}

export class Recorder {
  /** True if a watch expired, so that `take` lacks revisions. */
  isIncomplete = false;
  readonly #plane: ControlPlane;
  readonly #box: Sandbox;
  readonly #ended = new AbortController();
  readonly #marker: string;
  #revisions: Revision[] = [];
  readonly #seen = { policy: 0, namespace: 0 };
  #watching: Promise<unknown> = Promise.resolve();
  #error: unknown;

  private constructor(plane: ControlPlane, box: Sandbox, marker: string) {
    this.#plane = plane;
    this.#box = box;
    this.#marker = marker;
  }

  /** Starts to record. `marker` is a namespace that only the recorder writes to. */
  static async start(
    plane: ControlPlane,
    box: Sandbox,
    marker: string,
  ): Promise<{ recorder: Recorder; observed: ObservedCluster }> {
    await box.createPolicy(marker, 'marker', { podSelector: {}, policyTypes: ['Ingress'] });
    const recorder = new Recorder(plane, box, marker);
    const from = await recorder.revision();
    recorder.#watching = Promise.all([
      recorder.#follow('policy', POLICIES, from),
      recorder.#follow('namespace', NAMESPACES, from),
    ]);
    const observed = await recorder.list();
    return { recorder, observed };
  }

  /** Lists the current policies and namespaces. */
  async list(): Promise<ObservedCluster> {
    const policies = (await this.#plane.admin.send('GET', POLICIES)) as List<NetworkPolicy>;
    const namespaces = (await this.#plane.admin.send('GET', NAMESPACES)) as List<KubeObject>;
    const labels = namespaces.items.map(({ metadata }) => [metadata.name, metadata.labels ?? {}] as const);
    return {
      policies: Map.groupBy(policies.items, ({ metadata }) => metadata.namespace ?? ''),
      labels: new Map(labels.filter(([name]) => name.startsWith(this.#box.id))),
    };
  }

  /** The revisions since the last call. Waits until both watches have seen a write that it makes first. */
  async take(): Promise<Revision[]> {
    const patch = { metadata: { annotations: { mark: String(performance.now()) } } };
    const policy = await this.#box.patchPolicy(this.#marker, 'marker', patch);
    const namespace = await this.#box.patch(`${NAMESPACES}/${this.#marker}`, patch);
    await eventually(() => {
      if (this.#error !== undefined) throw this.#error;
      assert.ok(this.#seen.policy >= Number(policy.metadata.resourceVersion), 'the watch of policies lags');
      assert.ok(
        this.#seen.namespace >= Number(namespace.metadata.resourceVersion),
        'the watch of namespaces lags',
      );
    });
    const taken = this.#revisions.sort((a, b) => a.at - b.at);
    this.#revisions = [];
    return taken;
  }

  /** The API server's current resourceVersion. */
  async revision(): Promise<string> {
    const list = (await this.#plane.admin.send('GET', `${NAMESPACES}?limit=1`)) as List<KubeObject>;
    return list.metadata.resourceVersion;
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#watching;
  }

  async #follow(kind: Revision['kind'], path: string, resourceVersion: string): Promise<void> {
    let from = resourceVersion;
    while (!this.#ended.signal.aborted) {
      try {
        const query = `watch=true&resourceVersion=${from}`;
        for await (const event of this.#plane.admin.stream(`${path}?${query}`, this.#ended.signal)) {
          const { type, object } = event as { type: string; object: NetworkPolicy };
          if (type === 'ERROR') {
            // A restarted API server has no history.
            assert.equal((object as { code?: number }).code, 410, JSON.stringify(object));
            this.isIncomplete = true;
            from = await this.revision();
            break;
          }
          from = object.metadata.resourceVersion ?? '';
          this.#note(kind, object, type === 'DELETED');
        }
      } catch (error) {
        if (error instanceof assert.AssertionError) this.#error = error;
        // Any other error: the API server is away.
      }
      await sleep(RECONNECT_MS);
    }
  }

  #note(kind: Revision['kind'], object: NetworkPolicy, deleted: boolean): void {
    const at = Number(object.metadata.resourceVersion);
    const namespace = kind === 'policy' ? object.metadata.namespace : object.metadata.name;
    if (namespace?.startsWith(this.#box.id) && namespace !== this.#marker)
      this.#revisions.push({ at, kind, object, deleted });
    this.#seen[kind] = at;
  }
}

interface List<T> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly T[];
}

/** `observed` with one more revision. */
export function withRevision(
  observed: ObservedCluster,
  { kind, object, deleted }: Revision,
): ObservedCluster {
  const { name, namespace = '' } = object.metadata;
  if (kind === 'namespace') {
    const labels = new Map(observed.labels);
    if (deleted) labels.delete(name);
    else labels.set(name, object.metadata.labels ?? {});
    return { ...observed, labels };
  }
  const others = (observed.policies.get(namespace) ?? []).filter(({ metadata }) => metadata.name !== name);
  return {
    ...observed,
    policies: new Map(observed.policies).set(namespace, deleted ? others : [...others, object]),
  };
}
