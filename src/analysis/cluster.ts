/** What an evaluation is about: pods, namespaces, policies, and the flows between endpoints. */
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
  /** One address, or one of each family; none while it is pending. */
  readonly ips: readonly string[];
  /** Of all containers that can receive traffic. */
  readonly ports?: readonly ContainerPort[];
  readonly hostNetwork?: boolean;
  /** `spec.nodeName`. */
  readonly node?: string;
}

export interface Namespace {
  readonly name: string;
  /** `kubernetes.io/metadata.name` need not be among them: the API server sets it, and so does the evaluator. */
  readonly labels: StringMap;
}

export interface ClusterView {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly policies: readonly NetworkPolicy[];
}

/** `external`: an address that is no pod's; `node` where it is an address of that node. */
export type Endpoint =
  | { readonly kind: 'pod'; readonly pod: Pod }
  | { readonly kind: 'external'; readonly ip: string; readonly node?: string };

/** An attempt to connect. */
export interface Flow {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Destination port, after any Service was resolved. */
  readonly port: number;
  readonly protocol: Protocol;
  /** Which of their addresses dual-stack pods use. Absent: the first of the source's that the destination has too. */
  readonly family?: IPFamily;
}

/** The pod of an endpoint, if it is of the pod network: one of the host network counts as its node. */
export function networkPodOf(endpoint: Endpoint): Pod | undefined {
  return endpoint.kind === 'pod' && endpoint.pod.hostNetwork !== true ? endpoint.pod : undefined;
}

/** The node that an endpoint is, if it is known to be one. */
export function nodeOf(endpoint: Endpoint): string | undefined {
  if (endpoint.kind === 'external') return endpoint.node;
  return endpoint.pod.hostNetwork === true ? endpoint.pod.node : undefined;
}

export function isSamePod(a: Pod, b: Pod): boolean {
  return a === b || (a.namespace === b.namespace && a.name === b.name);
}
