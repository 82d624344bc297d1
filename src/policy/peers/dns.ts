/** The cluster's DNS: the entity `ClusterDNS`, and the servers that pods ask for names. Pure. */
import type { NetworkPolicyPeer, NetworkPolicyPort } from '../../api/network-policy.ts';
import type { DNSServers } from '../extensions.ts';
import type { ClusterFacts, ServiceFacts, ServiceName } from '../facts.ts';
import { selectorTerms } from '../semantics/selector.ts';
import { addressPeers } from './ip-block.ts';
import {
  type AtLeastOne,
  type Grant,
  isAtLeastOne,
  type PeerContext,
  type Resolution,
  resolved,
  unresolved,
} from './resolution.ts';
import { podsIn } from './selectors.ts';
import { selects, targetPorts } from './service.ts';

/** The Services of DNS in common distributions, in the order in which they are tried. */
export const DNS_SERVICES: readonly ServiceName[] = [
  { namespace: 'kube-system', name: 'kube-dns' },
  { namespace: 'openshift-dns', name: 'dns-default' },
  { namespace: 'kube-system', name: 'coredns' },
  { namespace: 'kube-system', name: 'rke2-coredns-rke2-coredns' },
];

export const PORT_53 = [
  { protocol: 'UDP', port: 53 },
  { protocol: 'TCP', port: 53 },
] as const;

/**
 * The pods of the cluster's DNS Service on its target ports for port 53 (engines see the port after the translation of
 * the Service's address), and the node-local caches on port 53.
 */
export function clusterDNS({ cluster, impliesPorts }: PeerContext): Resolution {
  if (!cluster.isKnown({ kind: 'services' }))
    return unresolved('SourceUnavailable', 'Services cannot be read yet');
  const { namespace, service: name, podSelector, nodeLocalAddresses } = cluster.configuration.clusterDNS;
  const on = (peers: AtLeastOne<NetworkPolicyPeer>, ports: readonly NetworkPolicyPort[]): Grant => ({
    peers,
    ...(impliesPorts && { ports }),
  });
  const local = addressPeers(nodeLocalAddresses);
  const caches = isAtLeastOne(local) ? [on(local, PORT_53)] : [];
  const found = dnsPods(cluster);
  if (found !== undefined)
    return resolved(on([podsIn(found.namespace, found.podSelector)], found.ports), ...caches);
  return {
    kind: 'unresolved',
    reason: 'ServiceNotFound',
    message:
      `the DNS Service ${namespace}/${name} does not exist, nor one of another usual name or label; set clusterDNS in the ` +
      "operator's configuration or, if DNS is no Service, write `dns: Deny` and a rule with its addresses",
    known: caches,
    fallback: {
      grants: [on([podsIn(namespace, podSelector)], PORT_53)],
      message: `meanwhile pods ${selectorTerms(podSelector).join(',')} of namespace ${namespace} are allowed on port 53`,
    },
  };
}

/** The pods of the cluster's DNS Service, with its target ports for port 53; undefined if there is no such Service. */
export function dnsPods(cluster: ClusterFacts): DNSServers | undefined {
  const { namespace, service: name } = cluster.configuration.clusterDNS;
  const found = findDNS({ namespace, name }, cluster);
  if (found === undefined) return undefined;
  const ports = targetPorts(found.ports.filter(({ port }) => port === 53));
  const podSelector = { matchLabels: found.selector };
  return { namespace: found.namespace, podSelector, ports: ports.length > 0 ? ports : PORT_53 };
}

/** The configured DNS Service, or else the first of a usual name or with a usual label. */
function findDNS(
  configured: ServiceName,
  cluster: ClusterFacts,
): (ServiceName & ServiceFacts & { selector: Record<string, string> }) | undefined {
  const found = ({ namespace, name }: ServiceName) => {
    const service = cluster.service(namespace, name);
    return service !== undefined && selects(service) ? { namespace, name, ...service } : undefined;
  };
  for (const name of [configured, ...DNS_SERVICES]) {
    const service = found(name);
    if (service !== undefined) return service;
  }
  const labelled = cluster.labelledDNS();
  return labelled && found(labelled);
}
