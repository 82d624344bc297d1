// A suite's own objects in the shared control plane, with names that no other suite uses. They are read directly, and
// removed at the end.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Condition, KubeObject, StringMap } from '../../src/api/meta.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import type { ControlPlane } from '../env/index.ts';

const POLL = 15; // ms
/** Longest time between two attempts, milliseconds: a request costs the API server and the test a few of processor time. */
const LONGEST_POLL = 100;
/**
 * Time limit of tests for results that users are promised within a second, milliseconds: the machine may be busy with
 * other tests. bench/ measures the real time.
 */
export const PROMPTLY = 40_000;

/** Repeats `attempt`, more and more seldom, until it succeeds. Rejects with its last error after `ms`. */
export async function eventually<T>(attempt: () => T | Promise<T>, ms = PROMPTLY): Promise<T> {
  const deadline = performance.now() + ms;
  for (let pause = POLL; ; pause = Math.min(pause * 1.2, LONGEST_POLL)) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(pause);
  }
}

/** Repeats `attempt` for `ms`. Rejects as soon as it fails. */
export async function consistently(attempt: () => unknown, ms: number): Promise<void> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    await attempt();
    await sleep(POLL);
  }
}

/** An object as JSON of any kind, of which a test reads some fields. */
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
  /** Label of the sandbox's namespaces, which its profiles select by default. */
  readonly label: StringMap;
  readonly #created: string[] = [];

  constructor(plane: ControlPlane, theme: string) {
    this.plane = plane;
    this.id = `${theme}-${randomBytes(3).toString('hex')}`;
    this.label = { 'test.segmentation.dev/suite': this.id };
  }

  /**
   * Creates a namespace.
   *
   * @param labels further labels; null for a namespace that the sandbox's profiles do not select by default
   * @returns its full name
   */
  async namespace(name: string, labels: StringMap | null = {}): Promise<string> {
    const full = `${this.id}-${name}`;
    const metadata = { name: full, labels: labels === null ? {} : { ...this.label, ...labels } };
    await this.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata });
    return full;
  }

  /** Changes labels of a namespace; null removes one. */
  async relabel(namespace: string, labels: Readonly<Record<string, string | null>>): Promise<void> {
    await this.patch(`/api/v1/namespaces/${namespace}`, { metadata: { labels } });
  }

  /** Creates a Pod, and resolves when it runs and has an address. */
  async pod(
    namespace: string,
    name: string,
    labels: StringMap = {},
    ports: readonly object[] = [],
  ): Promise<Raw> {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const spec = { containers: [{ name: 'main', image: 'main', ports }], terminationGracePeriodSeconds: 0 };
    // A Pod is refused until its namespace has a default ServiceAccount, which takes a moment.
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

  /** Creates a profile, which selects the sandbox's namespaces by default. @returns its full name */
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

  /** Merges `spec` into a profile's spec. @returns the new generation */
  async edit(profile: string, spec: Spec): Promise<number> {
    const { metadata } = await this.patch(`${PROFILES}/${profile}`, { spec });
    return metadata.generation ?? 0;
  }

  async removeProfile(name: string): Promise<void> {
    await this.plane.admin.send('DELETE', `${PROFILES}/${name}`);
  }

  /** Reads a condition of a profile, and asserts that it is of the current generation. */
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

  /** Lists the policies of a namespace, sorted by name. */
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

  /** Creates a policy as the administrator. */
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

  /** Merges `spec` into a Service's spec. */
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

  /** Creates a cluster-scoped object, which is removed with the sandbox. */
  async create(collection: string, object: KubeObject & Spec): Promise<void> {
    await this.plane.admin.send('POST', collection, object);
    this.#created.push(`${collection}/${object.metadata.name}`);
  }

  /** Removes all objects, and finalizers of profiles, as the operator may not run any more. */
  async remove(): Promise<void> {
    for (const path of this.#created.toReversed()) {
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
