/** What the compiler may know of the cluster besides the profile. Plain values: whoever gathers them does the I/O. */
import type { LabelSelector, StringMap } from '../api/meta.ts';
import type { Protocol } from '../api/network-policy.ts';

export interface NamespaceFacts {
  readonly name: string;
  readonly labels: StringMap;
}

/**
 * Objects that some peers are resolved from. Only those that a profile needs are read: EndpointSlices of one namespace,
 * the pods that run as one ServiceAccount, and of the other kinds all in the cluster.
 */
export type PeerSource =
  | { readonly kind: 'services' }
  | { readonly kind: 'nodes' }
  | { readonly kind: 'serviceCIDRs' }
  /** The objects that name Services for the API server to call. */
  | { readonly kind: 'webhooks' }
  | { readonly kind: 'endpointSlices'; readonly namespace: string }
  | { readonly kind: 'serviceAccounts'; readonly namespace: string; readonly name: string };

/** One string for each source, which messages show too: `services`, `endpointSlices/NAMESPACE`. */
export function encodePeerSource(source: PeerSource): string {
  switch (source.kind) {
    case 'endpointSlices':
      return `${source.kind}/${source.namespace}`;
    case 'serviceAccounts':
      return `${source.kind}/${source.namespace}/${source.name}`;
    default:
      return source.kind;
  }
}

export interface ServicePort {
  readonly name?: string;
  readonly protocol?: Protocol;
  readonly port: number;
  /** Absent: the same as `port`. */
  readonly targetPort?: number | string;
}

export interface ServiceFacts {
  readonly type: string;
  /** Absent or empty: the Service has no selector, and its EndpointSlices are kept by somebody else. */
  readonly selector?: StringMap;
  readonly ports: readonly ServicePort[];
  /** Without "None". */
  readonly clusterIPs: readonly string[];
}

/** One EndpointSlice: each address serves each port. */
export interface EndpointFacts {
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly port?: number; readonly protocol?: Protocol }[];
}

export interface NodeFacts {
  /** InternalIPs. */
  readonly addresses: readonly string[];
  readonly podCIDRs: readonly string[];
}

/** Why pods can't be told apart by their account. */
export type AccountFailureReason = 'Unsupported' | 'NotInstalled' | 'NameTaken' | 'NotTakenUp' | 'NotGuarded';

/** Of the pods that run as one ServiceAccount. */
export interface ServiceAccountFacts {
  /** Why the label that tells them means nothing now; undefined where it can be relied on. */
  readonly failure?: { readonly reason: AccountFailureReason; readonly message: string };
  /** Pods of the account that have no such label: they are from before. */
  readonly unlabelled: number;
  /** Pods that have the account's label and run as another one. */
  readonly mislabelled: number;
}

/** A Service that the API server calls: behind a webhook, an APIService or a CRD conversion. */
export interface WebhookService {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

/** The pods that a configured selector pair stands for; both absent is never allowed. */
export interface WorkloadSelector {
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector?: LabelSelector;
}

/** What the operator's own configuration says about the cluster. */
export interface ClusterConfiguration {
  readonly clusterDNS: {
    /** The Service whose pods and target ports are allowed; where it doesn't exist, `podSelector` and port 53. */
    readonly namespace: string;
    readonly service: string;
    readonly podSelector: LabelSelector;
    /** Addresses of node-local DNS caches. */
    readonly nodeLocalAddresses: readonly string[];
  };
  readonly ingressControllers: readonly WorkloadSelector[];
  readonly monitoring: readonly WorkloadSelector[];
  /** Used instead of the nodes' own addresses where not empty. */
  readonly nodeCIDRs: readonly string[];
  /** Added to the pod CIDRs that nodes report. */
  readonly podCIDRs: readonly string[];
  /** Where the API server's calls to webhooks come from; empty: any address. */
  readonly webhookSourceCIDRs: readonly string[];
  /** Most node addresses that a rule lists one by one. */
  readonly maxNodeAddresses: number;
}

/** Objects are only looked up in sources that are known. No method has an effect: what is unknown stays so. */
export interface ClusterFacts {
  readonly configuration: ClusterConfiguration;
  /** True if the source was read completely at least once, and is still kept current. */
  isKnown(source: PeerSource): boolean;
  service(namespace: string, name: string): ServiceFacts | undefined;
  endpoints(namespace: string, service: string): readonly EndpointFacts[];
  nodes(): readonly NodeFacts[];
  serviceCIDRs(): readonly string[];
  webhookServices(namespace: string): readonly WebhookService[];
  serviceAccount(namespace: string, name: string): ServiceAccountFacts | undefined;
}
