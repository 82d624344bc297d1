// Every revision of the NetworkPolicies and Namespaces of a sandbox, from direct watches, in the API server's order.
import assert from 'node:assert/strict';
import type { KubeObject, StringMap } from '../../src/api/meta.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { ControlPlane } from '../env/index.ts';
import { eventually, type Sandbox } from '../support/cluster.ts';

export type Revision = { readonly at: number } & (
  | { readonly kind: 'policy'; readonly object: NetworkPolicy; readonly deleted: boolean }
  | { readonly kind: 'namespace'; readonly object: KubeObject; readonly deleted: boolean }
);

const POLICIES = '/apis/networking.k8s.io/v1/networkpolicies';
const NAMESPACES = '/api/v1/namespaces';

/** What stands after some revision. Not changed in place: a copy is made for each revision. */
export interface Picture {
  /** By namespace. */
  readonly policies: ReadonlyMap<string, readonly NetworkPolicy[]>;
  readonly labels: ReadonlyMap<string, StringMap>;
}

export class Recorder {
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

  /** Begins to record; `marker` is a namespace that only the recorder writes to. */
  static async start(
    plane: ControlPlane,
    box: Sandbox,
    marker: string,
  ): Promise<{ recorder: Recorder; picture: Picture }> {
    await box.createPolicy(marker, 'marker', { podSelector: {}, policyTypes: ['Ingress'] });
    const recorder = new Recorder(plane, box, marker);
    const policies = (await plane.admin.send('GET', POLICIES)) as List<NetworkPolicy>;
    const namespaces = (await plane.admin.send('GET', NAMESPACES)) as List<KubeObject>;
    recorder.#watching = Promise.all([
      recorder.#follow('policy', POLICIES, policies.metadata.resourceVersion),
      recorder.#follow('namespace', NAMESPACES, namespaces.metadata.resourceVersion),
    ]);
    const labels = namespaces.items.map(({ metadata }) => [metadata.name, metadata.labels ?? {}] as const);
    const picture = {
      policies: Map.groupBy(policies.items, ({ metadata }) => metadata.namespace ?? ''),
      labels: new Map(labels.filter(([name]) => name.startsWith(box.id))),
    };
    return { recorder, picture };
  }

  /** All revisions since the last call, up to this moment. */
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

  /** The API server's latest revision. */
  async revision(): Promise<string> {
    const list = (await this.#plane.admin.send('GET', `${NAMESPACES}?limit=1`)) as List<KubeObject>;
    return list.metadata.resourceVersion;
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#watching;
  }

  async #follow(kind: Revision['kind'], path: string, resourceVersion: string): Promise<void> {
    try {
      const events = this.#plane.admin.stream(
        `${path}?watch=true&resourceVersion=${resourceVersion}`,
        this.#ended.signal,
      );
      for await (const event of events) {
        const { type, object } = event as { type: string; object: NetworkPolicy };
        assert.notEqual(type, 'ERROR', JSON.stringify(object));
        const at = Number(object.metadata.resourceVersion);
        const namespace = kind === 'policy' ? object.metadata.namespace : object.metadata.name;
        if (namespace?.startsWith(this.#box.id) && namespace !== this.#marker) {
          this.#revisions.push({ at, kind, object, deleted: type === 'DELETED' });
        }
        this.#seen[kind] = at;
      }
      throw new Error(`the watch of ${path} ended`);
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#error = error;
    }
  }
}

interface List<T> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly T[];
}

/** `picture` after one more revision. */
export function next(picture: Picture, { kind, object, deleted }: Revision): Picture {
  const { name, namespace = '' } = object.metadata;
  if (kind === 'namespace') {
    const labels = new Map(picture.labels);
    if (deleted) labels.delete(name);
    else labels.set(name, object.metadata.labels ?? {});
    return { ...picture, labels };
  }
  const others = (picture.policies.get(namespace) ?? []).filter(({ metadata }) => metadata.name !== name);
  return {
    ...picture,
    policies: new Map(picture.policies).set(namespace, deleted ? others : [...others, object]),
  };
}
