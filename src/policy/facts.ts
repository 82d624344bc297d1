/** The plain values of the cluster that the compiler is given beside the profile. The caller reads them. */
import type { LabelSelector, StringMap } from '../api/meta.ts';
import type { Protocol } from '../api/network-policy.ts';
import type { EngineFacts } from './extensions.ts';
import type { MeshFacts } from './mesh.ts';

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
  /** The network engine, and what its own policies can carry. */
  | { readonly kind: 'engine' }
  /** The configuration of the service mesh. */
  | { readonly kind: 'mesh' }
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
  /** Absent: equal to `port`. */
  readonly targetPort?: number | string;
}

export interface ServiceFacts {
  readonly type: string;
  /** Absent or empty: the Service has no selector, and others write its EndpointSlices. */
  readonly selector?: StringMap;
  readonly ports: readonly ServicePort[];
  /** Without "None". */
  readonly clusterIPs: readonly string[];
  /** True if its labels name it as the cluster's DNS, under whatever name. */
  readonly isLabelledDNS?: true;
}

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
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

/** Why the label of a service account proves nothing. */
export interface AccountFailure {
  readonly reason: 'Unsupported' | 'NotInstalled' | 'NameTaken' | 'NotTakenUp' | 'NotGuarded';
  readonly message: string;
}

/** The pods that run as one ServiceAccount. */
export interface ServiceAccountFacts {
  /** Why the account's label can't be relied on; absent if it can. */
  readonly failure?: AccountFailure;
  /** Pods of the account without its label: they were created before the API server set it. */
  readonly unlabelled: number;
  /** Pods with the account's label that run as another account. */
  readonly mislabelled: number;
}

/** A Service that the API server calls: behind a webhook, an APIService or a CRD conversion. */
export interface WebhookService {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

/** A pair of selectors of the operator's configuration; at least one is present. */
export interface WorkloadSelector {
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector?: LabelSelector;
}

/** The part of the operator's own configuration that describes the cluster. */
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
  /** True if the ingress that the network engine runs itself, outside of pods, counts as an ingress controller. */
  readonly engineIngress: boolean;
  readonly monitoring: readonly WorkloadSelector[];
  /** If not empty, used instead of the addresses that Nodes report. */
  readonly nodeCIDRs: readonly string[];
  /** Added to the pod CIDRs that nodes report. */
  readonly podCIDRs: readonly string[];
  /** Source addresses of the API server's calls to webhooks; empty: any address. */
  readonly webhookSourceCIDRs: readonly string[];
  /** Most node addresses that a rule lists one by one. */
  readonly maxNodeAddresses: number;
}

/** A source is only queried if it is known. A query has no effect: it does not make an unknown source known. */
export interface ClusterFacts {
  readonly configuration: ClusterConfiguration;
  /** True if the source was read completely at least once, and is still kept current. */
  isKnown(source: PeerSource): boolean;
  service(namespace: string, name: string): ServiceFacts | undefined;
  /** The first Service, by name, of kube-system whose labels name it as the cluster's DNS. */
  labelledDNS(): ServiceName | undefined;
  endpoints(namespace: string, service: string): readonly EndpointFacts[];
  nodes(): readonly NodeFacts[];
  serviceCIDRs(): readonly string[];
  webhookServices(namespace: string): readonly WebhookService[];
  serviceAccount(namespace: string, name: string): ServiceAccountFacts | undefined;
  /** Undefined as long as nothing is known. */
  engine(): EngineFacts | undefined;
  /** Undefined as long as nothing is known. */
  mesh(): MeshFacts | undefined;
}
