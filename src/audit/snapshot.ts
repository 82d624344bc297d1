/** The input of an audit: one state of a cluster, or of a part of it, in plain values. Pure. */
import type { Namespace, Pod } from '../analysis/cluster.ts';
import type { KubeObject, StringMap } from '../api/meta.ts';
import type { VerifierKindName } from '../policy/image-verification/kinds.ts';
import type { LayerKind } from '../engines/layers/engine-kinds.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { ObjectReference } from './finding.ts';
import type { PodSpec } from './pod-spec.ts';

export interface AuditNamespace extends Namespace {
  readonly annotations?: StringMap;
  /** True for the namespaces of Kubernetes and of the operator, which no profile selects. */
  readonly isProtected: boolean;
  /** True if only the name is known, as no manifest describes the namespace. */
  readonly isAssumed?: boolean;
  /** True if manifests describe custom objects in the namespace, from which operators may make pods that nobody knows. */
  readonly mayHaveOtherPods?: boolean;
}

/** The controller of pods as users know it: a Deployment, not its ReplicaSets. */
export interface AuditWorkload {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface AuditPod extends Pod {
  readonly workload: AuditWorkload;
  readonly serviceAccount: string;
  /** True if the ztunnel of the node carries its connections, by the annotation of istio-cni. */
  readonly isRedirected?: boolean;
  readonly annotations?: StringMap;
  readonly spec: PodSpec;
  /** Number of the pods that this one stands for, with the addresses of all; 1 if absent. */
  readonly count?: number;
}

/** A kind that a check may read beside pods, namespaces, policies and profiles. */
export type KindName =
  | 'Namespace'
  | 'Pod'
  | 'NetworkPolicy'
  | 'SegmentationProfile'
  | 'SegmentationException'
  | 'Node'
  | 'Service'
  | 'Ingress'
  | 'Gateway'
  | 'ListenerSet'
  | 'XListenerSet'
  | 'HTTPRoute'
  | 'GRPCRoute'
  | 'TLSRoute'
  | 'TCPRoute'
  | 'UDPRoute'
  | 'ReferenceGrant'
  | 'EndpointSlice'
  | 'Secret'
  | 'Role'
  | 'ClusterRole'
  | 'RoleBinding'
  | 'ClusterRoleBinding'
  | 'CustomResourceDefinition'
  | 'ValidatingWebhookConfiguration'
  | 'MutatingWebhookConfiguration'
  /** Policies of engines and of the mesh, and what these go by. */
  | LayerKind
  /** Kinds of what verifies images. */
  | VerifierKindName;

/** An API version by which an object is written. */
export interface ApiUse {
  readonly object: ObjectReference;
  /** GROUP/VERSION; `v1` of the core group. */
  readonly apiVersion: string;
  /** How it is known: from a manifest, from the annotation of `kubectl apply`, or from a field manager. */
  readonly way: 'manifest' | 'lastApplied' | 'manager';
  /** The field manager. */
  readonly manager?: string;
}

/** An object whose kind or version nothing reads. */
export interface UnreadObject {
  readonly object: ObjectReference;
  /** GROUP/VERSION. */
  readonly apiVersion: string;
}

export interface AuditSnapshot {
  /**
   * True if the snapshot is of a cluster. Among manifests, an object that is missing may be described elsewhere, so that
   * no check reports it.
   */
  readonly isComplete: boolean;
  readonly namespaces: readonly AuditNamespace[];
  /** Pods that are not finished. Pods of one workload may be given once, if they are equal but for names and addresses. */
  readonly pods: readonly AuditPod[];
  /** The policies in force: own and foreign ones. */
  readonly policies: readonly NetworkPolicy[];
  readonly profiles: readonly SegmentationProfile[];
  /** The name of the profile that owns a policy; undefined for a foreign policy. */
  readonly ownerOf: (policy: KubeObject) => string | undefined;
  /** The namespaces in which a profile is enforced. */
  readonly enforced: ReadonlySet<string>;
  /** The profiles that are enforced in a namespace. */
  readonly enforcing: (namespace: string) => readonly SegmentationProfile[];
  /** Objects of the other kinds, as they are on the wire. */
  readonly objects: (kind: KindName) => readonly KubeObject[];
  /** The version that the API server tells, such as `v1.36.3`; absent if none was asked. */
  readonly serverVersion?: string | undefined;
  /** Uses of API versions that Kubernetes stops to serve in some release; absent if nobody looked for them. */
  readonly apiUses?: readonly ApiUse[];
  /** Policies and routes among manifests that nothing reads; absent if nobody looked for them. */
  readonly unreadObjects?: readonly UnreadObject[];
  /** Names of definitions of policies that nothing reads; absent if nobody looked for them. */
  readonly unreadDefinitions?: readonly string[];
  /** False for a kind that could not be read. */
  readonly isRead: (kind: KindName) => boolean;
}
