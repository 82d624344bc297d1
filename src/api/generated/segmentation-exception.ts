// Generated from crds/ by `npm run generate`. Do not edit.

/**
 * The last Event about the end, so that a restart does not repeat it.
 */
export type Notice = 'OneHour' | 'TenMinutes' | 'Ended';
/**
 * Something that every cluster has, found by the operator. KubeAPIServer: the API server's addresses. ClusterDNS: the pods of the cluster's DNS. Nodes: the addresses of all nodes. IngressControllers and Monitoring: what the operator is configured with under these names. World: every address but the cluster's own and link-local ones (cloud metadata). Any: everyone, without limit.
 */
export type Entity =
  'KubeAPIServer' | 'ClusterDNS' | 'Nodes' | 'IngressControllers' | 'Monitoring' | 'World' | 'Any';
/**
 * The protocol of the port.
 */
export type Protocol = 'TCP' | 'UDP' | 'SCTP';
/**
 * True, False or Unknown.
 */
export type ConditionStatus = 'True' | 'False' | 'Unknown';
/**
 * In and NotIn compare the label's value with `values` (NotIn holds also where the label is absent); Exists and DoesNotExist look at the key only.
 */
export type SelectorOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
/**
 * The flows to open, why, and until when. Only `expires` and `approval` can be changed later: for other flows, create another exception.
 */
export interface SegmentationExceptionSpec {
  /**
   * Required. Why the flows are needed. It is kept on the policies.
   */
  reason: string;
  /**
   * Required. The end, to the second. Later than the creation, and within the `maxDuration` of the profile. A later end can be asked for with `extendedBy`, and needs a new approval.
   */
  expires: string;
  /**
   * The profile whose grant is used. Absent: the first by name that selects the namespace and grants the exception.
   */
  profile?: string;
  /**
   * Flows that may reach the pods of the namespace. Has an effect if the profile isolates Ingress.
   *
   * Items: Allows traffic from the peers of `from` to `ports` of the pods that `podSelector` selects.
   */
  ingress?: IngressRule[];
  /**
   * Flows that may leave the pods of the namespace. Has an effect if the profile isolates Egress.
   *
   * Items: Allows traffic from the pods that `podSelector` selects to `ports` of the peers of `to`.
   */
  egress?: EgressRule[];
  /**
   * Flows between two ends. Only the ends that lie in the exception's own namespace get a rule: another isolated namespace needs an exception of its own.
   *
   * Items: Allows traffic from each end of `from` to `ports` of each end of `to`. An end is a peer: pods of selected namespaces, or something outside of them, which gets no rule.
   */
  connections?: Connection[];
  /**
   * Required. The user who created the exception. Admission refuses every other name.
   */
  requestedBy: string;
  /**
   * The user who asked for the present end, if that is not the first one. Admission refuses every other name.
   */
  extendedBy?: string;
  /**
   * The approval. It is written by a user who may `approve` segmentationexceptions, and who neither created nor extended the exception. Without it, or after its end, an exception of a profile with `mode: ApprovalRequired` is not in force.
   */
  approval?: Approval;
}
/**
 * The state that the operator has found. Only the operator writes it.
 */
export interface SegmentationExceptionStatus {
  /**
   * The `metadata.generation` that the rest of the status is about.
   */
  observedGeneration?: number;
  /**
   * InForce: the flows are open. Ready: the policies are as the exception asks, also after its end. Reconciling: policies are being written, or an approval is awaited. Stalled: the exception is refused, and a person must act.
   *
   * Items: An aspect of the profile's state.
   */
  conditions?: Condition[];
  /**
   * The profile that grants the exception.
   */
  profile?: string;
  /**
   * When the flows are closed, or were.
   */
  until?: string;
  /**
   * The number of NetworkPolicies that carry the exception.
   */
  policies?: number;
  /**
   * The last Event about the end, so that a restart does not repeat it.
   */
  notice?: Notice;
}
/**
 * The approval. It is written by a user who may `approve` segmentationexceptions, and who neither created nor extended the exception. Without it, or after its end, an exception of a profile with `mode: ApprovalRequired` is not in force.
 */
export interface Approval {
  /**
   * The user who approves. Admission refuses every other name.
   */
  by: string;
  /**
   * The end that is approved, equal to `expires` at that time.
   */
  until: string;
}
/**
 * Allows traffic from the peers of `from` to `ports` of the pods that `podSelector` selects.
 */
export interface IngressRule {
  /**
   * Identifies the rule among those of its direction, in policies, status and metrics: lower-case letters, digits and `-`.
   */
  name: string;
  /**
   * Why this is allowed, for those who find the policy in a namespace. It is kept on the policy.
   */
  description?: string;
  /**
   * Selects the pods of the namespace that the rule is for, by their labels. Absent or `{}`: all of them.
   */
  podSelector?: LabelSelector;
  /**
   * Required. Who may connect: at least one peer. For everyone write `entity: Any`.
   *
   * Items: The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
   */
  from: Peer[];
  /**
   * The ports of the selected pods that may be reached. Absent or empty: every port of every protocol.
   *
   * Items: One port, or a range of ports, of one protocol.
   */
  ports?: Port[];
}
/**
 * Allows traffic from the pods that `podSelector` selects to `ports` of the peers of `to`.
 */
export interface EgressRule {
  /**
   * Identifies the rule among those of its direction, in policies, status and metrics: lower-case letters, digits and `-`.
   */
  name: string;
  /**
   * Why this is allowed, for those who find the policy in a namespace. It is kept on the policy.
   */
  description?: string;
  /**
   * Selects the pods of the namespace that the rule is for, by their labels. Absent or `{}`: all of them.
   */
  podSelector?: LabelSelector;
  /**
   * Required. What may be reached: at least one peer. For everything write `entity: Any`.
   *
   * Items: The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
   */
  to: Peer[];
  /**
   * The ports of the peers that may be reached. Absent or empty: every port of every protocol; of a Service, KubeAPIServer and ClusterDNS the ports that they serve, and no others.
   *
   * Items: One port, or a range of ports, of one protocol.
   */
  ports?: Port[];
}
/**
 * Allows traffic from each end of `from` to `ports` of each end of `to`. An end is a peer: pods of selected namespaces, or something outside of them, which gets no rule.
 */
export interface Connection {
  /**
   * Identifies the connection among the connections and rules of the profile, in policies, status and metrics: lower-case letters, digits and `-`.
   */
  name: string;
  /**
   * Why this is allowed, for those who find the policy in a namespace. It is kept on the policy.
   */
  description?: string;
  /**
   * Required. The ends that connect: at least one peer. `podSelector` alone means the same namespace as the other end or, if that is no pod, every selected namespace.
   *
   * Items: The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
   */
  from: Peer[];
  /**
   * Required. The ends that are connected to: at least one peer, read as those of `from`.
   *
   * Items: The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
   */
  to: Peer[];
  /**
   * The ports of the ends of `to` that may be reached. Absent or empty: every port of every protocol; of a Service, KubeAPIServer and ClusterDNS the ports that they serve, and no others.
   *
   * Items: One port, or a range of ports, of one protocol.
   */
  ports?: Port[];
}
/**
 * The other side of the traffic, in exactly one way: `podSelector`, `namespaceSelector`, `namespaces`, `sameNamespaceLabels`, `ipBlock`, `service`, `serviceAccount`, `entity` or `fqdn`. `podSelector` may stand beside `namespaceSelector`, `namespaces` and `sameNamespaceLabels`: some pods of those namespaces.
 */
export interface Peer {
  /**
   * Pods with these labels: in the namespaces that the other field of the peer names or, without one, in the same namespace. `{}` selects all pods there.
   */
  podSelector?: LabelSelector;
  /**
   * Namespaces with these labels; `{}` selects every one. All their pods, or those that `podSelector` selects.
   */
  namespaceSelector?: LabelSelector;
  /**
   * The pods of the namespaces with these names: all of them, or those that `podSelector` selects.
   *
   * Items: The name of a namespace.
   */
  namespaces?: string[];
  /**
   * The pods of the namespaces in which each of these labels has the same value as in the pod's own namespace: `[team]` lets the namespaces of one team reach each other. All pods there, or those that `podSelector` selects. A selected namespace that lacks one of the labels is reported in the status.
   *
   * Items: The key of a label of namespaces.
   */
  sameNamespaceLabels?: string[];
  /**
   * Addresses outside the cluster, IPv4 or IPv6. Pods are not reliably matched by their addresses: use selectors for them.
   */
  ipBlock?: IPBlock;
  /**
   * The pods behind a Service: those that its selector selects or, for a Service without selector, the addresses of its EndpointSlices. In `to` of a rule without `ports`, the ports that the Service leads to are allowed, and no others.
   */
  service?: ServiceReference;
  /**
   * The pods that run as a ServiceAccount. The API server labels each new pod of that namespace with its account, by the policies of config/service-accounts (Kubernetes 1.36 or later), and refuses other writes of that label. Older pods must be recreated; the status counts them.
   */
  serviceAccount?: {
    /**
     * The namespace of the ServiceAccount, and of its pods.
     */
    namespace: string;
    /**
     * The name of the ServiceAccount, of at most 63 characters. `default` is the account of the pods that name none.
     */
    name: string;
  };
  /**
   * Something that every cluster has, found by the operator. KubeAPIServer: the API server's addresses. ClusterDNS: the pods of the cluster's DNS. Nodes: the addresses of all nodes. IngressControllers and Monitoring: what the operator is configured with under these names. World: every address but the cluster's own and link-local ones (cloud metadata). Any: everyone, without limit.
   */
  entity?: Entity;
  /**
   * Hosts by their DNS names, in egress only. NetworkPolicy knows no names: the cluster's network engine carries them, which the operator has to know (`engine` of its configuration). On another engine the peer allows nothing, and the status says so. The DNS queries for these names are allowed as well.
   */
  fqdn?: {
    /**
     * Names in lower case, without a dot at the end: `api.example.com`. `*.` at the beginning stands for exactly one label, and `**.` for one or more: `*.example.com` means `a.example.com`, `**.example.com` also `b.a.example.com`, and neither `example.com`.
     *
     * Items: A DNS name of at least two labels, which may begin with `*.` or `**.`.
     */
    names: string[];
  };
}
/**
 * Addresses outside the cluster, IPv4 or IPv6. Pods are not reliably matched by their addresses: use selectors for them.
 */
export interface IPBlock {
  /**
   * The addresses, as a network and its prefix length, such as `203.0.113.0/24`.
   */
  cidr: string;
  /**
   * Smaller ranges inside `cidr` that are not meant, such as `203.0.113.128/25`.
   *
   * Items: A range inside `cidr` and smaller than it.
   */
  except?: string[];
}
/**
 * The pods behind a Service: those that its selector selects or, for a Service without selector, the addresses of its EndpointSlices. In `to` of a rule without `ports`, the ports that the Service leads to are allowed, and no others.
 */
export interface ServiceReference {
  /**
   * The namespace of the Service.
   */
  namespace: string;
  /**
   * The name of the Service.
   */
  name: string;
}
/**
 * One port, or a range of ports, of one protocol.
 */
export interface Port {
  /**
   * The protocol of the port.
   */
  protocol: Protocol;
  /**
   * A number from 1 to 65535 (not in quotes), or the name of a container port of the pods that are connected to. Absent: every port of the protocol.
   */
  port?: number | string;
  /**
   * The last port of a range that begins with `port`, both included.
   */
  endPort?: number;
}
/**
 * An aspect of the profile's state.
 */
export interface Condition {
  /**
   * The name of the aspect, such as Ready.
   */
  type: string;
  /**
   * True, False or Unknown.
   */
  status: ConditionStatus;
  /**
   * The `metadata.generation` that the condition is about.
   */
  observedGeneration?: number;
  /**
   * The time of the last change of `status`.
   */
  lastTransitionTime: string;
  /**
   * The reason, as one word for programs.
   */
  reason: string;
  /**
   * The reason, as a sentence for people.
   */
  message: string;
}
/**
 * Selects objects by their labels; `{}` selects all of them.
 */
export interface LabelSelector {
  /**
   * Labels that must all be there with exactly these values.
   */
  matchLabels?: {
    /**
     * The value that the label must have.
     */
    [k: string]: string;
  };
  /**
   * Requirements on labels that must all hold, together with `matchLabels`.
   *
   * Items: One requirement on one label.
   */
  matchExpressions?: LabelSelectorRequirement[];
}
/**
 * One requirement on one label.
 */
export interface LabelSelectorRequirement {
  /**
   * The label's key.
   */
  key: string;
  /**
   * In and NotIn compare the label's value with `values` (NotIn holds also where the label is absent); Exists and DoesNotExist look at the key only.
   */
  operator: SelectorOperator;
  /**
   * The values for In and NotIn, at least one. Not allowed for Exists and DoesNotExist.
   *
   * Items: A label value.
   */
  values?: string[];
}
