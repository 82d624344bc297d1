/** Adds to a peer what the network engine has to carry beside the NetworkPolicies. Pure. */
import type { ExtensionGrant, ExtensionPeer } from '../extensions.ts';
import type { ClusterFacts } from '../facts.ts';
import type { Grant, Resolution } from './resolution.ts';

/**
 * `resolution`, with an extension for the same ports where the engine matches `peer` by an identity and not by address. If the
 * extension can't be written, the peer is resolved in part.
 */
export function extended(resolution: Resolution, peer: ExtensionPeer, cluster: ClusterFacts): Resolution {
  const facts = cluster.engine();
  if (facts === undefined || facts.kind === 'none' || !facts.carries.has(peer.kind)) return resolution;
  if (facts.kind === 'available') return withExtensions(resolution, peer);
  if (resolution.kind !== 'resolved') return resolution;
  const { reason, message } = facts;
  return { kind: 'partly-resolved', grants: resolution.grants, missing: { reason, message } };
}

/** An unresolved peer implies no ports, so that its last known extension stays. */
function withExtensions(resolution: Resolution, peer: ExtensionPeer): Resolution {
  if (resolution.kind !== 'resolved') return resolution;
  const ports = resolution.grants.flatMap((grant: Grant) => grant.ports ?? []);
  const extension: ExtensionGrant = ports.length > 0 ? { peer, ports } : { peer };
  return { ...resolution, extensions: [extension] };
}
