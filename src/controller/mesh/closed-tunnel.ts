/** What a profile that does not ask for the tunnel of ambient mode cuts by that. Pure. */
import type { Connection, Peer, ProfileSpec } from '../../api/profile.ts';

type Port = NonNullable<Connection['ports']>[number];

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
    .filter(
      ({ ports = [], peers }) =>
        ports.length > 0 && peers.some(isOfPods) && !ports.some((each) => opens(each, tunnel)),
    )
    .map(({ name }) => name);
  return [...new Set(names)];
}

function opens({ port, endPort, protocol }: Port, tunnel: number): boolean {
  if (protocol !== 'TCP') return false;
  return port === undefined || (typeof port === 'number' && port <= tunnel && tunnel <= (endPort ?? port));
}

function isOfPods({ ipBlock, fqdn }: Peer): boolean {
  return ipBlock === undefined && fqdn === undefined;
}
