/** The input of an evaluation: pods, namespaces, policies, and flows between endpoints. */
import type { StringMap } from '../api/meta.ts';
import type { NetworkPolicy, Protocol } from '../api/network-policy.ts';
import type { IPFamily } from '../policy/semantics/cidr.ts';

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  /** TCP where absent. */
  readonly protocol?: Protocol;
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: StringMap;
  /** One address, or one of each family; empty while the pod is pending. */
  readonly ips: readonly string[];
  /** The ports of all containers that can receive traffic. */
  readonly ports?: readonly ContainerPort[];
  readonly hostNetwork?: boolean;
  /** `spec.nodeName`. */
  readonly node?: string;
}

export interface Namespace {
  readonly name: string;
  /** `kubernetes.io/metadata.name` may be missing: the evaluator sets it, as the API server does. */
  readonly labels: StringMap;
}

export interface ClusterView {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly policies: readonly NetworkPolicy[];
}

/** An end of a flow. `external` is an address outside the pod network; `node` names the node whose address it is. */
export type Endpoint =
  | { readonly kind: 'pod'; readonly pod: Pod }
  | { readonly kind: 'external'; readonly ip: string; readonly node?: string };

/** An attempt to connect. */
export interface Flow {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Destination port: the pod's, not the Service's. */
  readonly port: number;
  readonly protocol: Protocol;
  /** The address family that dual-stack pods use. Default: the source's first family that the destination has too. */
  readonly family?: IPFamily;
}

/** The endpoint's pod, if it has an address of its own in the pod network. A pod on the host network counts as its node. */
export function networkPodOf(endpoint: Endpoint): Pod | undefined {
  return endpoint.kind === 'pod' && endpoint.pod.hostNetwork !== true ? endpoint.pod : undefined;
}

/** The node whose network the endpoint uses; undefined for a pod of the pod network and for an unknown address. */
export function nodeOf(endpoint: Endpoint): string | undefined {
  if (endpoint.kind === 'external') return endpoint.node;
  return endpoint.pod.hostNetwork === true ? endpoint.pod.node : undefined;
}

export function isSamePod(a: Pod, b: Pod): boolean {
  return a === b || (a.namespace === b.namespace && a.name === b.name);
}
