/** Rules by what they allow of the port on which a mesh without sidecars carries all connections. Pure. */
import type { NetworkPolicyPort } from '../../../api/network-policy.ts';

/** True if the rule allows the tunnel's port. @param ports of a rule; undefined: every port */
export function allowsTunnel(ports: readonly NetworkPolicyPort[] | undefined, tunnel: number): boolean {
  return ofTCP(ports).some(
    ({ port, endPort }) =>
      port === undefined || (typeof port === 'number' && port <= tunnel && tunnel <= (endPort ?? port)),
  );
}

/** True if the rule allows some ports of TCP, and not the tunnel's. */
export function isBesideTunnel(ports: readonly NetworkPolicyPort[] | undefined, tunnel: number): boolean {
  return ofTCP(ports).length > 0 && !allowsTunnel(ports, tunnel);
}

/** The ports of TCP, which alone a tunnel carries. */
export function ofTCP(ports: readonly NetworkPolicyPort[] = [{}]): readonly NetworkPolicyPort[] {
  return ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP');
}
