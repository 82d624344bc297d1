// A suite's own corner of the shared control plane: objects with names that no other suite uses, judged by direct
// reads, and removed at the end.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition, KubeObject, StringMap } from '../../src/api/meta.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import type { ControlPlane } from '../env/index.ts';

const POLL = 15; // ms
/**
 * How long a test waits for what users are promised within a second, in milliseconds: other tests run beside it, and the
 * machine may do much else. bench/ measures how soon it is.
 */
export const PROMPTLY = 20_000;

/** Repeats `attempt` until it neither throws nor rejects; rejects with its last error after `ms`. */
export async function eventually<T>(attempt: () => T | Promise<T>, ms = PROMPTLY): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(POLL);
  }
}

/** Rejects as soon as `attempt` does within `ms`. */
export async function consistently(attempt: () => unknown, ms: number): Promise<void> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    await attempt();
    await sleep(POLL);
  }
}

/** Anything as JSON over the wire; a test reads what it needs. */
export type Raw = KubeObject & Readonly<Record<string, unknown>>;

interface Spec {
  readonly [field: string]: unknown;
}

const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
const policiesOf = (namespace: string) =>
  `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;

export class Sandbox {
  readonly plane: ControlPlane;
  /** Prefix of every name. */
  readonly id: string;
  /** The label that each namespace carries, and that a profile selects unless it says otherwise. */
  readonly label: StringMap;
  readonly #made: string[] = [];

  constructor(plane: ControlPlane, theme: string) {
    this.plane = plane;
    this.id = `${theme}-${randomBytes(3).toString('hex')}`;
    this.label = { 'test.segmentation.dev/suite': this.id };
  }

  /** Creates a namespace and resolves its name. `labels: null` for one that no profile selects by default. */
  async namespace(name: string, labels: StringMap | null = {}): Promise<string> {
    const full = `${this.id}-${name}`;
    const metadata = { name: full, labels: labels === null ? {} : { ...this.label, ...labels } };
    await this.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata });
    return full;
  }

  /** Changes labels of a namespace; null takes one away. */
  async relabel(namespace: string, labels: Readonly<Record<string, string | null>>): Promise<void> {
    await this.patch(`/api/v1/namespaces/${namespace}`, { metadata: { labels } });
  }

  /** A Pod that runs and has an address. */
  async pod(
    namespace: string,
    name: string,
    labels: StringMap = {},
    ports: readonly object[] = [],
  ): Promise<Raw> {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const spec = { containers: [{ name: 'main', image: 'main', ports }], terminationGracePeriodSeconds: 0 };
    // Without its default ServiceAccount, which takes a moment to be there, a Pod is refused.
    await eventually(() =>
      this.plane.admin.send('POST', path, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, labels },
        spec,
      }),
    );
    return eventually(async () => {
      const pod = await this.read(`${path}/${name}`);
      assert.equal((pod['status'] as { phase?: string }).phase, 'Running');
      return pod;
    });
  }

  /** Creates a profile and resolves its name. It selects the sandbox's own namespaces unless `spec` says otherwise. */
  async profile(name: string, spec: Spec = {}): Promise<string> {
    const full = `${this.id}-${name}`;
    await this.create(PROFILES, {
      apiVersion: 'segmentation.dev/v1alpha1',
      kind: 'SegmentationProfile',
      metadata: { name: full },
      spec: { namespaceSelector: { matchLabels: this.label }, ...spec },
    });
    return full;
  }

  async readProfile(name: string): Promise<SegmentationProfile> {
    return (await this.read(`${PROFILES}/${name}`)) as unknown as SegmentationProfile;
  }

  /** Merges into a profile's spec and resolves its new generation. */
  async edit(profile: string, spec: Spec): Promise<number> {
    const { metadata } = await this.patch(`${PROFILES}/${profile}`, { spec });
    return metadata.generation ?? 0;
  }

  async removeProfile(name: string): Promise<void> {
    await this.plane.admin.send('DELETE', `${PROFILES}/${name}`);
  }

  /** A condition of a profile; asserts that it is about the current generation. */
  async condition(profile: string, type: string): Promise<Condition> {
    const { metadata, status } = await this.readProfile(profile);
    assert.equal(status?.observedGeneration, metadata.generation, 'the status is of an older generation');
    const found = status?.conditions?.find((each) => each.type === type);
    assert.ok(found, `no condition ${type}`);
    assert.equal(found.observedGeneration, metadata.generation);
    return found;
  }

  /** Waits until the profile is Ready. */
  async ready(profile: string, ms = PROMPTLY): Promise<void> {
    await eventually(async () => {
      const { status, reason, message } = await this.condition(profile, 'Ready');
      assert.equal(status, 'True', `${reason}: ${message}`);
    }, ms);
  }

  /** All policies of a namespace, sorted by name. */
  async policies(namespace: string): Promise<NetworkPolicy[]> {
    const { items } = (await this.plane.admin.send('GET', policiesOf(namespace))) as {
      items: NetworkPolicy[];
    };
    return items;
  }

  async policy(namespace: string, name: string): Promise<NetworkPolicy> {
    return (await this.read(`${policiesOf(namespace)}/${name}`)) as unknown as NetworkPolicy;
  }

  async policyNames(namespace: string): Promise<string[]> {
    return (await this.policies(namespace)).map(({ metadata }) => metadata.name);
  }

  /** Creates somebody else's policy, or one of ours by hand. */
  async createPolicy(
    namespace: string,
    name: string,
    spec: NetworkPolicy['spec'],
    metadata: object = {},
  ): Promise<NetworkPolicy> {
    const policy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { ...metadata, name },
      spec,
    };
    return (await this.plane.admin.send('POST', policiesOf(namespace), policy)) as NetworkPolicy;
  }

  async patchPolicy(namespace: string, name: string, patch: object): Promise<NetworkPolicy> {
    return (await this.patch(`${policiesOf(namespace)}/${name}`, patch)) as unknown as NetworkPolicy;
  }

  async deletePolicy(namespace: string, name: string): Promise<void> {
    await this.plane.admin.send('DELETE', `${policiesOf(namespace)}/${name}`);
  }

  async service(namespace: string, name: string, spec: object): Promise<void> {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec };
    await this.plane.admin.send('POST', `/api/v1/namespaces/${namespace}/services`, service);
  }

  /** Merges into a Service's spec. */
  async editService(namespace: string, name: string, spec: object): Promise<void> {
    await this.patch(`/api/v1/namespaces/${namespace}/services/${name}`, { spec });
  }

  async deleteService(namespace: string, name: string): Promise<void> {
    await this.plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}/services/${name}`);
  }

  async read(path: string): Promise<Raw> {
    return (await this.plane.admin.send('GET', path)) as Raw;
  }

  async patch(path: string, patch: object): Promise<Raw> {
    return (await this.plane.admin.send('PATCH', path, patch)) as Raw;
  }

  /** Creates a cluster-scoped object, to be removed with the sandbox. */
  async create(collection: string, object: KubeObject & Spec): Promise<void> {
    await this.plane.admin.send('POST', collection, object);
    this.#made.push(`${collection}/${object.metadata.name}`);
  }

  /** Removes everything that was made, whether or not an operator still runs to take its finalizers off. */
  async remove(): Promise<void> {
    for (const path of this.#made.toReversed()) {
      await ignoreAbsent(this.plane.admin.send('DELETE', path));
      if (path.startsWith(PROFILES)) {
        await ignoreAbsent(this.patch(path, { metadata: { finalizers: null } }));
      }
    }
  }
}

async function ignoreAbsent(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if ((error as { status?: number }).status !== 404) throw error;
  }
}
