// Generated from crds/ by `npm run generate`. Do not edit.
import type { Condition, Connection, LabelSelector, Peer, Port } from './segmentation-profile.ts';

/**
 * The last Event about the end, so that a restart does not repeat it.
 */
export type Notice = 'OneHour' | 'TenMinutes' | 'Ended';
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
