/**
 * The port that a guard passes for a mesh without sidecars: it carries connections to all other ports. The ports behind it are
 * held by the mesh's own policies, which a guard does not see. Pure.
 */
import type { PolicyType } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { ClusterFacts, NamespaceFacts } from '../facts.ts';
import { asksForTunnels, isAmbient } from '../mesh.ts';
import type { GuardPass } from './guard.ts';

export interface TunnelContext {
  readonly direction: PolicyType;
  /** The namespaces that the guard is for. */
  readonly namespaces: readonly NamespaceFacts[];
  readonly cluster: ClusterFacts;
}

/** The tunnel's port, where the profile's NetworkPolicies may open it for the peers of its rules; otherwise undefined. */
export function tunnelPort(
  { spec }: SegmentationProfile,
  { direction, namespaces, cluster }: TunnelContext,
): number | undefined {
  const mesh = cluster.mesh();
  if (direction === 'Egress' || mesh === undefined || mesh.kind === 'none' || !asksForTunnels(spec))
    return undefined;
  return namespaces.some(({ labels }) => isAmbient(mesh, labels)) ? mesh.ambient.port : undefined;
}

/** The pass, with the tunnel's port if it passes pods on other ports of TCP. */
export function withTunnel(pass: GuardPass, port: number | undefined): GuardPass {
  const { peer, ports } = pass;
  if (port === undefined || peer.kind === 'addresses' || ports === undefined) return pass;
  const ofTCP = ports.filter(({ protocol }) => protocol === 'TCP');
  if (ofTCP.length === 0 || ofTCP.some(({ from, to }) => from <= port && port <= to)) return pass;
  return { ...pass, ports: [...ports, { protocol: 'TCP', from: port, to: port }] };
}
