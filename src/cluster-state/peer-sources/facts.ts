/** From Services, EndpointSlices, Nodes and other objects on the wire to the facts that peers are resolved from. Pure. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import type {
  EndpointFacts,
  NodeFacts,
  ServiceFacts,
  ServiceName,
  WebhookService,
} from '../../policy/facts.ts';
import { smallest } from '../../util/order.ts';

export interface RawService {
  readonly metadata?: { readonly namespace?: string; readonly labels?: StringMap };
  readonly spec: {
    readonly type?: string;
    readonly selector?: Record<string, string>;
    readonly ports?: ServiceFacts['ports'];
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
  };
}

export function serviceFacts({ metadata = {}, spec }: RawService): ServiceFacts {
  const { type = 'ClusterIP', selector, ports = [], clusterIP } = spec;
  const clusterIPs = (spec.clusterIPs ?? (clusterIP ? [clusterIP] : [])).filter(
    (ip) => ip !== 'None' && ip !== '',
  );
  return {
    type,
    ...(selector && { selector }),
    ports: ports.map(({ protocol, port, targetPort }) => ({
      ...(protocol && { protocol }),
      port,
      // Old clients write 0 for "as the port".
      ...(targetPort !== undefined && targetPort !== 0 && { targetPort }),
    })),
    clusterIPs,
    ...(isLabelledDNS(metadata) && { isLabelledDNS: true }),
  };
}

/** Labels of the DNS Service in kubeadm, in the chart of CoreDNS, and in what is made of it. */
const DNS_LABELS: readonly (readonly [key: string, value: string])[] = [
  ['k8s-app', 'kube-dns'],
  ['k8s-app', 'coredns'],
  ['kubernetes.io/name', 'CoreDNS'],
  ['app.kubernetes.io/name', 'coredns'],
];

/** In kube-system only: elsewhere, anybody who may create Services could open port 53 to pods of theirs. */
function isLabelledDNS({ namespace, labels = {} }: NonNullable<RawService['metadata']>): boolean {
  return namespace === 'kube-system' && DNS_LABELS.some(([key, value]) => labels[key] === value);
}

/** The first Service, by name, whose labels name it as the cluster's DNS. Keys are namespace/name. */
export function labelledDNS(
  services: Iterable<readonly [key: string, ServiceFacts]>,
): ServiceName | undefined {
  const keys = [...services].filter(([, { isLabelledDNS }]) => isLabelledDNS).map(([key]) => key);
  const [first] = smallest(keys, 1);
  if (first === undefined) return undefined;
  const [namespace = '', name = ''] = first.split('/');
  return { namespace, name };
}

export interface RawEndpointSlice extends KubeObject {
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[] | null;
  readonly ports?: EndpointFacts['ports'] | null;
}

export function endpointFacts({
  metadata,
  endpoints,
  ports,
}: RawEndpointSlice): EndpointFacts & { service: string } {
  return {
    service: metadata.labels?.['kubernetes.io/service-name'] ?? '',
    addresses: (endpoints ?? []).flatMap(({ addresses = [] }) => addresses),
    ports: (ports ?? []).map(({ port, protocol }) => ({
      ...(port !== undefined && { port }),
      ...(protocol && { protocol }),
    })),
  };
}

export interface RawNode {
  readonly spec?: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[] };
  readonly status?: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] };
}

export function nodeFacts({ spec = {}, status = {} }: RawNode): NodeFacts {
  return {
    addresses: (status.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP')
      .map(({ address }) => address),
    podCIDRs: spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : []),
  };
}

export function serviceCIDRs({ spec }: { spec?: { cidrs?: readonly string[] } }): readonly string[] {
  return spec?.cidrs ?? [];
}

interface ServiceReference {
  readonly namespace?: string;
  readonly name?: string;
  readonly port?: number;
}

export interface RawWebhookUser {
  readonly webhooks?: readonly { readonly clientConfig?: { readonly service?: ServiceReference } }[];
  readonly spec?: {
    readonly service?: ServiceReference | null;
    readonly conversion?: {
      readonly webhook?: { readonly clientConfig?: { readonly service?: ServiceReference } };
    };
  };
}

/** The Services that a webhook configuration, an APIService or a CRD names. The port defaults to 443 in all of them. */
export function webhookServices({ webhooks = [], spec }: RawWebhookUser): readonly WebhookService[] {
  const references = [
    ...webhooks.map(({ clientConfig }) => clientConfig?.service),
    spec?.service,
    spec?.conversion?.webhook?.clientConfig?.service,
  ];
  return references.flatMap((reference) =>
    reference?.namespace && reference.name
      ? [{ namespace: reference.namespace, name: reference.name, port: reference.port ?? 443 }]
      : [],
  );
}
