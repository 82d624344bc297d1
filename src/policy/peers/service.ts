/** The peer `service`: the pods behind a Service, or the addresses of a Service without selector. Pure. */
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import type { EndpointFacts, ServiceFacts, ServicePort } from '../facts.ts';
import { withIdentities } from './engine.ts';
import { addressPeers } from './ip-block.ts';
import {
  type Grant,
  isAtLeastOne,
  type PeerContext,
  type Resolution,
  resolved,
  unresolved,
} from './resolution.ts';
import { podsIn } from './selectors.ts';

export function servicePeer(
  { namespace, name }: { namespace: string; name: string },
  { cluster, impliesPorts }: PeerContext,
): Resolution {
  if (!cluster.isKnown({ kind: 'services' }))
    return unresolved('SourceUnavailable', 'Services cannot be read yet');
  const service = cluster.service(namespace, name);
  if (service === undefined) {
    return unresolved(
      'ServiceNotFound',
      `Service ${namespace}/${name} does not exist; create it or correct the name`,
    );
  }
  if (service.type === 'ExternalName') {
    return unresolved(
      'ServiceUnsupported',
      `Service ${namespace}/${name} is of type ExternalName, a DNS alias without addresses; use an ipBlock instead`,
    );
  }
  if (selects(service)) {
    const peers = [podsIn(namespace, { matchLabels: service.selector })] as const;
    if (!impliesPorts) return resolved({ peers });
    const ports = targetPorts(service.ports);
    return ports.length > 0
      ? resolved({ peers, ports })
      : unresolved('NoPorts', `Service ${namespace}/${name} has no ports; list the rule's ports`);
  }
  if (!cluster.isKnown({ kind: 'endpointSlices', namespace })) {
    return unresolved('SourceUnavailable', `EndpointSlices of namespace ${namespace} cannot be read yet`);
  }
  const grants = endpointGrants(cluster.endpoints(namespace, name), impliesPorts);
  if (isAtLeastOne(grants)) return withIdentities(grants, `Service ${namespace}/${name}`, cluster);
  return unresolved(
    'NoEndpoints',
    `Service ${namespace}/${name} has neither a selector nor EndpointSlices with addresses` +
      `${impliesPorts ? ' and ports' : ''}; add one of them`,
  );
}

/** One grant for each EndpointSlice that has addresses and, where ports are implied, ports. */
export function endpointGrants(slices: readonly EndpointFacts[], impliesPorts: boolean): Grant[] {
  return slices.flatMap((slice): Grant[] => {
    const peers = addressPeers(slice.addresses);
    if (!isAtLeastOne(peers)) return [];
    if (!impliesPorts) return [{ peers }];
    const ports = slice.ports.flatMap(({ port, protocol }) =>
      port === undefined ? [] : [{ protocol: protocol ?? 'TCP', port }],
    );
    return ports.length > 0 ? [{ peers, ports }] : [];
  });
}

/** True if the Service selects pods. The selector of an ExternalName has no effect. */
export function selects(
  service: ServiceFacts,
): service is ServiceFacts & { selector: Record<string, string> } {
  return (
    service.type !== 'ExternalName' &&
    service.selector !== undefined &&
    Object.keys(service.selector).length > 0
  );
}

/** The ports of the pods behind a Service: numbers, or names of container ports. */
export function targetPorts(ports: readonly ServicePort[]): NetworkPolicyPort[] {
  return ports.map(({ protocol, port, targetPort }) => ({
    protocol: protocol ?? 'TCP',
    port: targetPort ?? port,
  }));
}
