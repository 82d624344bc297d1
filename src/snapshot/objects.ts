/** The kinds that commands read, and a set of objects of these kinds. Pure. */
import type { KubeObject } from '../api/meta.ts';
import { API_VERSION, EXCEPTION_KIND, EXCEPTION_PLURAL, GROUP, KIND, PLURAL, VERSION } from '../api/names.ts';
import { LAYER_KINDS } from '../engines/layers/layer-policies.ts';
import { UNREAD_KINDS } from '../engines/layers/unread-kinds.ts';
import { VERIFIER_KINDS } from '../policy/image-verification/kinds.ts';

export interface KnownKind {
  /** Unique: the kind, or a name of this project's for one that shares its kind with another group. */
  readonly kind: string;
  /** The kind on the wire; `kind` if absent. */
  readonly wireKind?: string;
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /**
   * True if the kind is always listed in a cluster. Workloads are not, as their pods are. Jobs are listed if they own
   * pods.
   */
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

/** Exceptions are read from manifests; in a cluster, their policies are there, and only `audit` reads themselves. */
export const EXCEPTIONS: KnownKind = grouped(GROUP, EXCEPTION_KIND, EXCEPTION_PLURAL, { version: VERSION });

/** The configuration of a mesh is in one. Of a cluster, only that is read, by its name. */
export const CONFIG_MAP: KnownKind = core('ConfigMap', 'configmaps', true, false);

/** Kinds that only `audit` reads. */
export const AUDIT_KINDS: readonly KnownKind[] = [
  core('ServiceAccount', 'serviceaccounts'),
  core('Secret', 'secrets'),
  grouped('networking.k8s.io', 'Ingress', 'ingresses'),
  ...gatewayKinds(),
  grouped('rbac.authorization.k8s.io', 'Role', 'roles'),
  grouped('rbac.authorization.k8s.io', 'ClusterRole', 'clusterroles', cluster),
  grouped('rbac.authorization.k8s.io', 'RoleBinding', 'rolebindings'),
  grouped('rbac.authorization.k8s.io', 'ClusterRoleBinding', 'clusterrolebindings', cluster),
  EXCEPTIONS,
  ...engineKinds(),
  ...kindsInVersions(UNREAD_KINDS),
  ...kindsInVersions(VERIFIER_KINDS),
];

/** Kinds by which verdicts go besides, of which a cluster serves those of its network engine and its mesh. */
export const LAYER_KNOWN_KINDS: readonly KnownKind[] = [
  ...AUDIT_KINDS.filter(({ kind }) => LAYER_KINDS.some((each) => each === kind)),
  ...['v1beta1', 'v1'].map((version) =>
    grouped('security.istio.io', 'PeerAuthentication', 'peerauthentications', { version }),
  ),
];

/** The kind with this group and plural name, of those that not every command reads. */
export function furtherKind({ group, plural }: Pick<KnownKind, 'group' | 'plural'>): KnownKind | undefined {
  return AUDIT_KINDS.find((each) => each.group === group && each.plural === plural);
}

/**
 * Kinds of the Gateway API, in every version that was ever released, from the oldest. In a cluster, the last entry of a kind
 * that is served counts.
 */
function gatewayKinds(): KnownKind[] {
  const kinds = [
    ['Gateway', 'gateways', 'v1alpha2', 'v1beta1', 'v1'],
    ['ListenerSet', 'listenersets', 'v1'],
    ['HTTPRoute', 'httproutes', 'v1alpha2', 'v1beta1', 'v1'],
    ['GRPCRoute', 'grpcroutes', 'v1alpha2', 'v1'],
    ['TLSRoute', 'tlsroutes', 'v1alpha2', 'v1alpha3', 'v1'],
    ['TCPRoute', 'tcproutes', 'v1alpha2', 'v1'],
    ['UDPRoute', 'udproutes', 'v1alpha2', 'v1'],
    ['ReferenceGrant', 'referencegrants', 'v1alpha2', 'v1beta1', 'v1'],
  ] as const;
  return [
    ...kinds.flatMap(([kind, plural, ...versions]) =>
      versions.map((version) => grouped('gateway.networking.k8s.io', kind, plural, { version })),
    ),
    // The experiment from before ListenerSet.
    grouped('gateway.networking.x-k8s.io', 'XListenerSet', 'xlistenersets', { version: 'v1alpha1' }),
  ];
}

/** The entries of each kind of a group together, the newest version first: one that is served has all objects. */
export function newestFirst<T extends KnownKind>(kinds: readonly T[]): T[][] {
  return [...Map.groupBy(kinds, ({ kind, group }) => `${group}/${kind}`).values()].map((versions) =>
    versions.toReversed(),
  );
}

interface KindInVersions extends Omit<KnownKind, 'version' | 'listed'> {
  readonly versions: readonly string[];
}

function kindsInVersions(kinds: readonly KindInVersions[]): KnownKind[] {
  return kinds.flatMap(({ kind, group, versions, plural, namespaced, wireKind }) =>
    versions.map((version) => ({
      ...grouped(group, kind, plural, { namespaced, version }),
      ...(wireKind !== undefined && { wireKind }),
    })),
  );
}

/** Policies of engines' own kinds. Clusters serve only those of their engine. */
function engineKinds(): KnownKind[] {
  const clusterPolicies = (kind: string, plural: string, version: string) =>
    grouped('policy.networking.k8s.io', kind, plural, { namespaced: false, version });
  // If a kind is served in several versions or groups, the last entry counts.
  const calico = [
    ['crd.projectcalico.org', 'v1'],
    ['projectcalico.org', 'v3'],
  ].flatMap(([group = '', version = '']): KnownKind[] => [
    {
      ...grouped(group, 'CalicoNetworkPolicy', 'networkpolicies', { version }),
      wireKind: 'NetworkPolicy',
    },
    grouped(group, 'GlobalNetworkPolicy', 'globalnetworkpolicies', { namespaced: false, version }),
    grouped(group, 'Tier', 'tiers', { namespaced: false, version }),
    grouped(group, 'NetworkSet', 'networksets', { version }),
    grouped(group, 'GlobalNetworkSet', 'globalnetworksets', { namespaced: false, version }),
  ]);
  return [
    clusterPolicies('ClusterNetworkPolicy', 'clusternetworkpolicies', 'v1alpha2'),
    clusterPolicies('ClusterNetworkPolicy', 'clusternetworkpolicies', 'v1beta1'),
    clusterPolicies('AdminNetworkPolicy', 'adminnetworkpolicies', 'v1alpha1'),
    clusterPolicies('BaselineAdminNetworkPolicy', 'baselineadminnetworkpolicies', 'v1alpha1'),
    grouped('cilium.io', 'CiliumNetworkPolicy', 'ciliumnetworkpolicies', { version: 'v2' }),
    grouped('cilium.io', 'CiliumClusterwideNetworkPolicy', 'ciliumclusterwidenetworkpolicies', {
      namespaced: false,
      version: 'v2',
    }),
    ...['v1alpha1', 'v1alpha3'].map((version) =>
      grouped('networking.gke.io', 'FQDNNetworkPolicy', 'fqdnnetworkpolicies', { version }),
    ),
    ...['v1beta1', 'v1'].map((version) =>
      grouped('security.istio.io', 'AuthorizationPolicy', 'authorizationpolicies', { version }),
    ),
    ...calico,
  ];
}

/** The group of an `apiVersion`; '' for the core group. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

/** Kinds of policies, whatever their group. Staged policies of Calico are not enforced. */
const POLICY_KIND = /^(?!Staged).*(?:NetworkPolicy|FirewallPolicy|EgressFirewall)$/;

/** True for a kind of custom objects that is a policy of the network by its name. */
export function isPolicyByName(kind: string): boolean {
  return POLICY_KIND.test(kind);
}

/** A line of a manifest. */
export interface ManifestPlace {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** Objects of known kinds, unique by kind, namespace and name, in order of insertion. */
export class ObjectSet {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #places = new Map<string, ManifestPlace>();
  readonly #customIn = new Set<string>();
  readonly #unreadable: KubeObject[] = [];

  /** Replaces an earlier object of the same kind, namespace and name. @param place where a manifest describes it */
  put(kind: string, object: KubeObject, place?: ManifestPlace): void {
    const { namespace = '', name } = object.metadata;
    if (place !== undefined) this.#places.set(`${kind} ${namespace}/${name}`, place);
    let ofKind = this.#objects.get(kind);
    if (ofKind === undefined) this.#objects.set(kind, (ofKind = new Map()));
    ofKind.set(`${namespace}/${name}`, object);
  }

  get(kind: string, name: string, namespace = ''): KubeObject | undefined {
    return this.#objects.get(kind)?.get(`${namespace}/${name}`);
  }

  /** Notes that a manifest describes an object of an unknown kind in this namespace, from which an operator may make pods. */
  noteCustom(namespace: string): void {
    this.#customIn.add(namespace);
  }

  hasCustom(namespace: string): boolean {
    return this.#customIn.has(namespace);
  }

  /** Notes that a manifest describes this object, whose kind or version is not read: type and metadata are known. */
  noteUnreadable(object: KubeObject, place: ManifestPlace): void {
    const { namespace = '', name } = object.metadata;
    this.#unreadable.push(object);
    this.#places.set(`${object.kind} ${namespace}/${name}`, place);
  }

  /** The objects of kinds and versions that are not read. */
  unreadable(): readonly KubeObject[] {
    return this.#unreadable;
  }

  /** Where a manifest describes the object; undefined for an object of a cluster. */
  placeOf(kind: string, name: string, namespace = ''): ManifestPlace | undefined {
    return this.#places.get(`${kind} ${namespace}/${name}`);
  }

  of<T extends KubeObject>(kind: string): T[] {
    // The cast is safe: objects come from the API server, or were checked against the schema of their kind.
    return [...(this.#objects.get(kind)?.values() ?? [])] as T[];
  }

  /** All objects with their kinds. */
  *entries(): Generator<[kind: string, object: KubeObject]> {
    for (const [kind, objects] of this.#objects) for (const object of objects.values()) yield [kind, object];
  }

  /** Number of objects of all kinds. */
  get size(): number {
    return [...this.#objects.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** A new set without the objects of a kind. */
  without(kind: string): ObjectSet {
    const result = this.with(new ObjectSet());
    result.#objects.delete(kind);
    return result;
  }

  /** A new set of these objects, in which those of `other` replace equal names. */
  with(other: ObjectSet): ObjectSet {
    const result = new ObjectSet();
    for (const each of [this, other]) {
      for (const [kind, object] of each.entries()) result.put(kind, object);
      for (const [key, place] of each.#places) result.#places.set(key, place);
      for (const namespace of each.#customIn) result.#customIn.add(namespace);
      result.#unreadable.push(...each.#unreadable);
    }
    return result;
  }
}
