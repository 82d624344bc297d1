/** segmentation.dev/v1alpha1 SegmentationProfile. The shape itself is generated from crds/. */
import type { Condition, KubeObject, LabelSelector } from './meta.ts';
import type { IPBlock, NetworkPolicyPort, PolicyType } from './network-policy.ts';

export type Mode = 'Enforce' | 'Audit';
export type DeletionPolicy = 'Delete' | 'Retain';
export type Allowance = 'Allow' | 'Deny';
export type Entity =
  | 'KubeAPIServer'
  | 'ClusterDNS'
  | 'Nodes'
  | 'IngressControllers'
  | 'Monitoring'
  | 'World'
  | 'Any';

/** Exactly one kind: selectors (one or both), or one of the other fields. The CRD enforces it. */
export interface Peer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly namespaces?: readonly string[];
  readonly sameNamespaceLabels?: readonly string[];
  readonly ipBlock?: IPBlock;
  readonly service?: { readonly namespace: string; readonly name: string };
  readonly entity?: Entity;
}

interface RuleBase {
  readonly name: string;
  readonly description?: string;
  /** Which pods of the namespace the rule is for; absent or `{}`: all. */
  readonly podSelector?: LabelSelector;
  readonly ports?: readonly NetworkPolicyPort[];
}
export interface IngressRule extends RuleBase {
  readonly from: readonly Peer[];
}
export interface EgressRule extends RuleBase {
  readonly to: readonly Peer[];
}

export interface Baseline {
  readonly dns?: Allowance;
  readonly admissionWebhooks?: Allowance;
  readonly sameNamespace?: Allowance;
  readonly kubeAPIServer?: Allowance;
  readonly ingressControllers?: Allowance;
  readonly monitoring?: Allowance;
}

export interface ProfileSpec {
  readonly mode?: Mode;
  readonly namespaceSelector: LabelSelector;
  readonly excludeNamespaces?: readonly string[];
  readonly isolation?: readonly PolicyType[];
  readonly deletionPolicy?: DeletionPolicy;
  readonly baseline?: Baseline;
  readonly ingress?: readonly IngressRule[];
  readonly egress?: readonly EgressRule[];
}

export interface ProfileFailure {
  readonly namespace: string;
  readonly reason: string;
  readonly message: string;
}

export interface ProfileStatus {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition[];
  readonly namespaces?: {
    readonly matched: number;
    readonly enforced: number;
    readonly pending: number;
    readonly failed: number;
    /** `enforced/matched`, for the printer column. */
    readonly summary: string;
  };
  readonly policies?: { readonly desired: number; readonly applied: number };
  readonly failures?: readonly ProfileFailure[];
}

export interface SegmentationProfile extends KubeObject {
  readonly spec: ProfileSpec;
  readonly status?: ProfileStatus;
}
