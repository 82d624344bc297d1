/** Resolves one peer of a profile's rule into the peers of NetworkPolicies, and names it. */
import type { Peer } from '../../api/profile.ts';
import { entityPeer } from './entity.ts';
import { ipBlockPeer } from './ip-block.ts';
import { type PeerContext, type Resolution, unresolved } from './resolution.ts';
import { namespacesPeer, sameNamespaceLabelsPeer, selectorPeer } from './selectors.ts';
import { servicePeer } from './service.ts';

export function resolvePeer(peer: Peer, context: PeerContext): Resolution {
  if (peer.service !== undefined) return servicePeer(peer.service, context);
  if (peer.entity !== undefined) return entityPeer(peer.entity, context);
  if (peer.namespaces !== undefined) return namespacesPeer(peer.namespaces);
  if (peer.sameNamespaceLabels !== undefined)
    return sameNamespaceLabelsPeer(peer.sameNamespaceLabels, context);
  if (peer.ipBlock !== undefined) return ipBlockPeer(peer.ipBlock);
  if (peer.podSelector !== undefined || peer.namespaceSelector !== undefined) return selectorPeer(peer);
  // A peer of a later version of the schema than this operator knows; never to be taken for "everyone".
  return unresolved(
    'NotConfigured',
    'this version of the operator does not know this kind of peer; upgrade it',
  );
}

/**
 * How a peer is named in messages and in the notes on a policy. For a peer whose resolution can fail it is also what
 * its last known form is found by, so it holds all of the peer.
 */
export function peerLabel(peer: Peer): string {
  if (peer.service !== undefined) return `service ${peer.service.namespace}/${peer.service.name}`;
  if (peer.entity !== undefined) return `entity ${peer.entity}`;
  if (peer.namespaces !== undefined) return `namespaces ${peer.namespaces.join(', ')}`;
  if (peer.sameNamespaceLabels !== undefined)
    return `sameNamespaceLabels ${peer.sameNamespaceLabels.join(', ')}`;
  if (peer.ipBlock !== undefined) return `ipBlock ${peer.ipBlock.cidr}`;
  return 'selector';
}

/** Whether what the peer resolves to depends on anything but the peer. */
export function isDynamic(peer: Peer): boolean {
  return peer.service !== undefined || peer.entity !== undefined || peer.sameNamespaceLabels !== undefined;
}
