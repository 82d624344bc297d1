/** The peer `entity`: parts of the cluster, and the world outside, that every cluster has. Pure. */
import type { NetworkPolicyPeer } from '../../api/network-policy.ts';
import type { Entity } from '../../api/profile.ts';
import {
  canonicalCidr,
  type Cidr,
  containsCidr,
  formatCidr,
  mergeCidrs,
  parseCidr,
  singleAddressCidr,
} from '../semantics/cidr.ts';
import type { WorkloadSelector } from '../facts.ts';
import { clusterDNS } from './dns.ts';
import { extended, withEngineIngress } from './engine.ts';
import { addressPeers } from './ip-block.ts';
import {
  type Grant,
  isAtLeastOne,
  type PeerContext,
  type Resolution,
  resolved,
  resolvedIfAny,
  unresolved,
} from './resolution.ts';
import { endpointGrants } from './service.ts';

/** Cloud metadata services answer on these addresses. A pod that reaches them can take the node's credentials. */
const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10', 'fd00:ec2::254/128', 'fd20:ce::254/128'];

export function entityPeer(entity: Entity, context: PeerContext): Resolution {
  switch (entity) {
    case 'Any':
      return resolved({ peers: 'everyone' });
    case 'ClusterDNS':
      return clusterDNS(context);
    case 'KubeAPIServer':
      return extended(kubeAPIServer(context), { kind: 'kubeAPIServer' }, context.cluster);
    case 'Nodes':
      return extended(nodes(context), { kind: 'nodes' }, context.cluster);
    case 'World':
      return world(context);
    case 'IngressControllers':
      return withEngineIngress(
        workloads(context.cluster.configuration.ingressControllers, 'ingressControllers'),
        context.cluster,
      );
    case 'Monitoring':
      return workloads(context.cluster.configuration.monitoring, 'monitoring');
    default:
      // An entity of a later version of the schema.
      return unresolved(
        'NotConfigured',
        `this version of the operator does not know ${String(entity)}; upgrade it`,
      );
  }
}

/** The ClusterIPs of the Service `default/kubernetes`, and each address of its EndpointSlices, with their own ports. */
function kubeAPIServer({ cluster, impliesPorts }: PeerContext): Resolution {
  if (
    !cluster.isKnown({ kind: 'services' }) ||
    !cluster.isKnown({ kind: 'endpointSlices', namespace: 'default' })
  ) {
    return unresolved('SourceUnavailable', 'the Service default/kubernetes cannot be read yet');
  }
  const behind = endpointGrants(cluster.endpoints('default', 'kubernetes'), impliesPorts);
  const service = cluster.service('default', 'kubernetes');
  const clusterIPs = addressPeers(service?.clusterIPs ?? []);
  const ports = (service?.ports ?? []).map(({ protocol, port }) => ({ protocol: protocol ?? 'TCP', port }));
  // The ClusterIP alone is not enough: engines judge the address after its translation.
  if (behind.length === 0 || ports.length === 0 || !isAtLeastOne(clusterIPs)) {
    return unresolved('NoEndpoints', 'the Service default/kubernetes has no addresses at the moment');
  }
  return resolved({ peers: clusterIPs, ...(impliesPorts && { ports }) }, ...behind);
}

/** The configured ranges of the nodes or, without any, the InternalIP of each Node. */
function nodes({ cluster }: PeerContext): Resolution {
  const { nodeCIDRs, maxNodeAddresses } = cluster.configuration;
  const ranges = nodeCIDRs.map(
    (cidr): NetworkPolicyPeer => ({ ipBlock: { cidr: canonicalCidr(cidr) ?? cidr } }),
  );
  if (isAtLeastOne(ranges)) return resolved({ peers: ranges });
  if (!cluster.isKnown({ kind: 'nodes' })) return unresolved('SourceUnavailable', 'Nodes cannot be read yet');
  const peers = addressPeers(cluster.nodes().flatMap(({ addresses }) => addresses));
  if (peers.length > maxNodeAddresses) {
    return unresolved(
      'TooManyAddresses',
      `the cluster has ${peers.length} node addresses, more than the ${maxNodeAddresses} that one rule lists; ` +
        "set nodeCIDRs in the operator's configuration",
    );
  }
  return isAtLeastOne(peers)
    ? resolved({ peers })
    : unresolved('NoEndpoints', 'no Node has an InternalIP at the moment');
}

/** Every address but the cluster's own and link-local ones: one ipBlock for each family, in a grant of its own. */
function world({ cluster }: PeerContext): Resolution {
  if (!cluster.isKnown({ kind: 'nodes' }) || !cluster.isKnown({ kind: 'serviceCIDRs' })) {
    return unresolved('SourceUnavailable', "the cluster's own address ranges cannot be read yet");
  }
  const { podCIDRs, nodeCIDRs, maxNodeAddresses } = cluster.configuration;
  const nodes = cluster.nodes();
  const pods = parsed([...podCIDRs, ...nodes.flatMap((node) => node.podCIDRs)]);
  const services = parsed(cluster.serviceCIDRs());
  const families = new Set(pods.map(({ family }) => family));
  // A Service's family is a family of pods. Without the pods' ranges of that family, pods would count as the world.
  const uncovered = services.find(({ family }) => !families.has(family));
  if (families.size === 0 || uncovered !== undefined) {
    return unresolved(
      'NotConfigured',
      `no Node reports its ${uncovered ? `IPv${uncovered.family} ` : ''}pod CIDRs; set podCIDRs in the operator's ` +
        'configuration, or else the pods of the cluster would count as the world',
    );
  }
  const addresses = nodes.flatMap((node) => node.addresses).flatMap((ip) => singleAddressCidr(ip) ?? []);
  const own = mergeCidrs([...pods, ...services, ...parsed([...addresses, ...nodeCIDRs, ...LINK_LOCAL])]);
  if (own.length > maxNodeAddresses + LINK_LOCAL.length) {
    return unresolved(
      'TooManyAddresses',
      `the cluster's own addresses take ${own.length} ranges, more than the ${maxNodeAddresses} that one rule lists; ` +
        "set podCIDRs and nodeCIDRs in the operator's configuration",
    );
  }
  // The API server refuses an exception as large as the range: a family without any other address is left out.
  const open = parsed(['0.0.0.0/0', '::/0']).filter((all) => !own.some((each) => containsCidr(each, all)));
  return resolvedIfAny(
    open.map((all): Grant => {
      const except = own.filter(({ family }) => family === all.family).map(formatCidr);
      return { peers: [{ ipBlock: { cidr: formatCidr(all), except } }] };
    }),
    'NotConfigured',
    "the cluster's own ranges hold every address; correct podCIDRs and nodeCIDRs in the operator's configuration",
  );
}

function parsed(cidrs: readonly string[]): Cidr[] {
  return cidrs.flatMap((cidr) => parseCidr(cidr) ?? []);
}

/** The pods of a list of the operator's configuration, whose key is `key`. */
function workloads(configured: readonly WorkloadSelector[], key: string): Resolution {
  const peers = configured.map(
    ({ namespaceSelector, podSelector }): NetworkPolicyPeer => ({
      namespaceSelector: namespaceSelector ?? {},
      ...(podSelector && { podSelector }),
    }),
  );
  return isAtLeastOne(peers)
    ? resolved({ peers })
    : unresolved('NotConfigured', `the operator's configuration names none; set ${key} there`);
}
