/** Kinds of policies of engines that are listed, and not understood: each object is named as unread. Pure. */

export interface UnreadKind {
  /** Unique among all kinds: several groups have a NetworkPolicy. */
  readonly kind: string;
  /** The kind on the wire; `kind` if absent. */
  readonly wireKind?: string;
  readonly group: string;
  /** From the oldest. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly namespaced: boolean;
  /** The engine that enforces it. */
  readonly engine: string;
}

export const UNREAD_KINDS = [
  {
    kind: 'AntreaNetworkPolicy',
    wireKind: 'NetworkPolicy',
    group: 'crd.antrea.io',
    versions: ['v1alpha1', 'v1beta1'],
    plural: 'networkpolicies',
    namespaced: true,
    engine: 'Antrea',
  },
  {
    kind: 'AntreaClusterNetworkPolicy',
    wireKind: 'ClusterNetworkPolicy',
    group: 'crd.antrea.io',
    versions: ['v1alpha1', 'v1beta1'],
    plural: 'clusternetworkpolicies',
    namespaced: false,
    engine: 'Antrea',
  },
  {
    kind: 'ApplicationNetworkPolicy',
    group: 'networking.k8s.aws',
    versions: ['v1alpha1'],
    plural: 'applicationnetworkpolicies',
    namespaced: true,
    engine: 'EKS',
  },
  {
    kind: 'EKSClusterNetworkPolicy',
    wireKind: 'ClusterNetworkPolicy',
    group: 'networking.k8s.aws',
    versions: ['v1alpha1'],
    plural: 'clusternetworkpolicies',
    namespaced: false,
    engine: 'EKS',
  },
  {
    kind: 'EgressFirewall',
    group: 'k8s.ovn.org',
    versions: ['v1'],
    plural: 'egressfirewalls',
    namespaced: true,
    engine: 'OVN-Kubernetes',
  },
  {
    kind: 'EgressNetworkPolicy',
    group: 'network.openshift.io',
    versions: ['v1'],
    plural: 'egressnetworkpolicies',
    namespaced: true,
    engine: 'OpenShift',
  },
  {
    kind: 'SecurityPolicy',
    group: 'crd.nsx.vmware.com',
    versions: ['v1alpha1'],
    plural: 'securitypolicies',
    namespaced: true,
    engine: 'NSX',
  },
] as const satisfies readonly UnreadKind[];

export type UnreadKindName = (typeof UNREAD_KINDS)[number]['kind'];
