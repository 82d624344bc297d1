/** The rules of a profile whose connections in ambient mode come by a tunnel that they do not open. Pure. */
import type { Peer, ProfileSpec } from '../../api/profile.ts';
import { isBesideTunnel } from '../../engines/istio/ambient/ports.ts';

/**
 * The rules for pods that name ports, and not the port of the tunnel, on which all connections between pods of the mesh come.
 *
 * @param tunnel the port of the tunnel
 */
export function rulesBesideTunnel(
  {
    isolation,
    ingress = [],
    egress = [],
    connections = [],
  }: Pick<ProfileSpec, 'isolation' | 'ingress' | 'egress' | 'connections'>,
  tunnel: number,
): string[] {
  const rules = [
    ...(isolation.includes('Ingress') ? ingress.map(({ from, ...rule }) => ({ ...rule, peers: from })) : []),
    ...(isolation.includes('Egress') ? egress.map(({ to, ...rule }) => ({ ...rule, peers: to })) : []),
    ...connections.map((each) => ({ ...each, peers: [{ podSelector: {} }] })),
  ];
  const names = rules
    .filter(({ ports, peers }) => peers.some(isOfPods) && isBesideTunnel(ports, tunnel))
    .map(({ name }) => name);
  return [...new Set(names)];
}

function isOfPods({ ipBlock, fqdn }: Peer): boolean {
  return ipBlock === undefined && fqdn === undefined;
}
