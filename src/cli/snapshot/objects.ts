/** The kinds that commands know, and a set of such objects, wherever they were read. */
import type { KubeObject } from '../../api/meta.ts';
import { API_VERSION, GROUP, KIND, PLURAL } from '../../api/names.ts';

export interface KnownKind {
  readonly kind: string;
  /** '' for the core group. Objects of every version of it are read. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Whether a cluster is asked for it: workloads are not, their pods are. */
  readonly listed: boolean;
}

const core = (kind: string, plural: string, namespaced = true, listed = true): KnownKind => ({
  kind,
  group: '',
  version: 'v1',
  plural,
  namespaced,
  listed,
});
const grouped = (
  group: string,
  kind: string,
  plural: string,
  { namespaced = true, listed = true, version = 'v1' } = {},
): KnownKind => ({ kind, group, version, plural, namespaced, listed });
const workload = (group: string, kind: string, plural: string) =>
  grouped(group, kind, plural, { listed: false });
const cluster = { namespaced: false };

export const KNOWN_KINDS: readonly KnownKind[] = [
  grouped(GROUP, KIND, PLURAL, { namespaced: false, version: API_VERSION.split('/')[1] ?? '' }),
  core('Namespace', 'namespaces', false),
  grouped('networking.k8s.io', 'NetworkPolicy', 'networkpolicies'),
  core('Pod', 'pods'),
  core('Service', 'services'),
  grouped('discovery.k8s.io', 'EndpointSlice', 'endpointslices'),
  core('Node', 'nodes', false),
  grouped('networking.k8s.io', 'ServiceCIDR', 'servicecidrs', cluster),
  grouped(
    'admissionregistration.k8s.io',
    'ValidatingWebhookConfiguration',
    'validatingwebhookconfigurations',
    cluster,
  ),
  grouped(
    'admissionregistration.k8s.io',
    'MutatingWebhookConfiguration',
    'mutatingwebhookconfigurations',
    cluster,
  ),
  grouped('apiregistration.k8s.io', 'APIService', 'apiservices', cluster),
  grouped('apiextensions.k8s.io', 'CustomResourceDefinition', 'customresourcedefinitions', cluster),
  workload('apps', 'Deployment', 'deployments'),
  workload('apps', 'StatefulSet', 'statefulsets'),
  workload('apps', 'DaemonSet', 'daemonsets'),
  workload('apps', 'ReplicaSet', 'replicasets'),
  workload('batch', 'Job', 'jobs'),
  workload('batch', 'CronJob', 'cronjobs'),
  workload('', 'ReplicationController', 'replicationcontrollers'),
];

/** The group of an `apiVersion`; '' for the core group. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

export function knownKind({ apiVersion = '', kind }: KubeObject): KnownKind | undefined {
  return KNOWN_KINDS.find((each) => each.kind === kind && each.group === groupOf(apiVersion));
}

/** Objects of known kinds, each once, in the order in which they came. */
export class ObjectSet {
  readonly #objects = new Map<string, Map<string, KubeObject>>();

  /** The later object of one kind, namespace and name replaces the earlier one. */
  put(kind: string, object: KubeObject): void {
    const { namespace = '', name } = object.metadata;
    let ofKind = this.#objects.get(kind);
    if (ofKind === undefined) this.#objects.set(kind, (ofKind = new Map()));
    ofKind.set(`${namespace}/${name}`, object);
  }

  get(kind: string, name: string, namespace = ''): KubeObject | undefined {
    return this.#objects.get(kind)?.get(`${namespace}/${name}`);
  }

  of<T extends KubeObject>(kind: string): T[] {
    // A kind's objects have the shape that the kind has: they came from the API server, or were checked.
    return [...(this.#objects.get(kind)?.values() ?? [])] as T[];
  }

  /** Every object with its kind. */
  *entries(): Generator<[kind: string, object: KubeObject]> {
    for (const [kind, objects] of this.#objects) for (const object of objects.values()) yield [kind, object];
  }

  /** How many there are, of all kinds. */
  get size(): number {
    return [...this.#objects.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** These objects, with those of `other` over them. */
  with(other: ObjectSet): ObjectSet {
    const result = new ObjectSet();
    for (const each of [this, other]) for (const [kind, object] of each.entries()) result.put(kind, object);
    return result;
  }
}
