/** RequestLanes one peer of a profile's rule into the peers of NetworkPolicies, and names it. */
import type { NetworkPolicyPeer } from '../../api/network-policy.ts';
import type { Peer } from '../../api/profile.ts';
import { entityPeer } from './entity.ts';
import { ipBlockPeer } from './ip-block.ts';
import { remembered } from './remembered.ts';
import { type PeerContext, type Resolution, unresolved } from './resolution.ts';
import { namespacesPeer, sameNamespaceLabelsPeer, selectorPeer } from './selectors.ts';
import { servicePeer } from './service.ts';
import { serviceAccountPeer } from './service-account.ts';

/** A peer that says itself whom it means; undefined for one that has to be resolved. */
export function fixedPeer(peer: Peer): NetworkPolicyPeer | undefined {
  if (isResolved(peer)) return undefined;
  if (peer.namespaces !== undefined) return namespacesPeer(peer.namespaces);
  if (peer.ipBlock !== undefined) return ipBlockPeer(peer.ipBlock);
  if (peer.podSelector !== undefined || peer.namespaceSelector !== undefined) return selectorPeer(peer);
  return undefined;
}

/** A peer whose meaning depends on the namespace or the cluster. */
export function resolvePeer(peer: Peer, context: PeerContext): Resolution {
  if (peer.sameNamespaceLabels !== undefined) {
    return sameNamespaceLabelsPeer(peer.sameNamespaceLabels, context);
  }
  return clusterPeer(peer, context);
}

/** Peers that are the same in every namespace, and cost to resolve. */
const clusterPeer = remembered((peer: Peer, context): Resolution => {
  if (peer.service !== undefined) return servicePeer(peer.service, context);
  if (peer.serviceAccount !== undefined) return serviceAccountPeer(peer.serviceAccount, context);
  if (peer.entity !== undefined) return entityPeer(peer.entity, context);
  // A peer of a later version of the schema than this operator knows; never to be taken for "everyone".
  return unresolved(
    'NotConfigured',
    'this version of the operator does not know this kind of peer; upgrade it',
  );
});

/**
 * How a peer that is resolved is named in messages and in the notes on a policy. It is also what its last known form
 * is found by, so it holds all of the peer.
 */
export function peerLabel(peer: Peer): string {
  if (peer.service !== undefined) return `service ${peer.service.namespace}/${peer.service.name}`;
  if (peer.serviceAccount !== undefined)
    return `serviceAccount ${peer.serviceAccount.namespace}/${peer.serviceAccount.name}`;
  if (peer.entity !== undefined) return `entity ${peer.entity}`;
  if (peer.sameNamespaceLabels !== undefined) {
    return `sameNamespaceLabels ${peer.sameNamespaceLabels.join(', ')}`;
  }
  return `of an unknown kind: ${JSON.stringify(peer)}`;
}

function isResolved({ service, serviceAccount, entity, sameNamespaceLabels }: Peer): boolean {
  return [service, serviceAccount, entity, sameNamespaceLabels].some((each) => each !== undefined);
}
