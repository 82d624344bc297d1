/** The Services of a snapshot: as the compiler needs them, and as users write them. */
import type { KubeObject } from '../api/meta.ts';
import { labelledDNS, type RawService, serviceFacts } from '../cluster-state/peer-sources/facts.ts';
import type { ServiceFacts } from '../policy/facts.ts';
import { DNS_SERVICES } from '../policy/peers/dns.ts';
import { MANIFESTS, type SnapshotInput } from './input.ts';

export interface ExternalAddress {
  readonly ip: string;
  /** True for a load balancer with `ipMode: Proxy`, which also connections from within the cluster pass through. */
  readonly isProxied: boolean;
}

export interface SnapshotService extends ServiceFacts {
  readonly namespace: string;
  readonly name: string;
  /** Its externalIPs and the addresses of its load balancer. */
  readonly external: readonly ExternalAddress[];
}

/** The Services by namespace/name. Manifests seldom describe the cluster's DNS: the configured Service is then added. */
export function servicesOf({ objects, configuration, origin, unread }: SnapshotInput): {
  byKey: ReadonlyMap<string, ServiceFacts>;
  assumesDNS: boolean;
} {
  const byKey = new Map(
    objects
      .of<Service>('Service')
      .map(({ metadata, spec }) => [
        `${metadata.namespace}/${metadata.name}`,
        serviceFacts({ metadata, spec: spec ?? {} }),
      ]),
  );
  const { namespace, service, podSelector } = configuration.clusterDNS;
  const configured = { namespace, name: service };
  const isDescribed =
    labelledDNS(byKey) !== undefined ||
    [configured, ...DNS_SERVICES].some((each) => byKey.has(`${each.namespace}/${each.name}`));
  const { matchLabels = {} } = podSelector;
  const assumesDNS =
    origin === MANIFESTS && !unread.has('Service') && !isDescribed && Object.keys(matchLabels).length > 0;
  if (assumesDNS) {
    byKey.set(`${namespace}/${service}`, {
      type: 'ClusterIP',
      selector: matchLabels,
      ports: [
        { protocol: 'UDP', port: 53 },
        { protocol: 'TCP', port: 53 },
      ],
      clusterIPs: [],
    });
  }
  return { byKey, assumesDNS };
}

/** Adds the names of a Service's ports, which the compiler does not need but users write. */
export function withPortNames(service: ServiceFacts, raw: ServiceFacts['ports']): ServiceFacts {
  return {
    ...service,
    ports: service.ports.map((port, index) => {
      const name = raw[index]?.name;
      return { ...port, ...(name && { name }) };
    }),
  };
}

interface RawLoadBalancerIngress {
  /** Absent for a load balancer that is known by a host name. */
  readonly ip?: string;
  readonly ipMode?: string;
}

export type Service = KubeObject & {
  readonly spec?: RawService['spec'] & { readonly externalIPs?: readonly string[] };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly RawLoadBalancerIngress[] } };
};

export function externalAddresses(
  externalIPs: readonly string[],
  ingress: readonly RawLoadBalancerIngress[],
): ExternalAddress[] {
  return [
    ...externalIPs.map((ip) => ({ ip, isProxied: false })),
    ...ingress.flatMap(({ ip, ipMode }) => (ip ? [{ ip, isProxied: ipMode === 'Proxy' }] : [])),
  ];
}
