/** Dispatches a peer of a profile's rule to the resolver of its kind, and names peers. Pure. */
import type { NetworkPolicyPeer } from '../../api/network-policy.ts';
import type { Peer } from '../../api/profile.ts';
import { selectorTerms } from '../semantics/selector.ts';
import { entityPeer } from './entity.ts';
import { fqdnPeer } from './fqdn.ts';
import { ipBlockPeer } from './ip-block.ts';
import { type MeshPart, meshPeer } from './mesh.ts';
import { cached } from './resolution-cache.ts';
import { type PeerContext, type Resolution, unresolved } from './resolution.ts';
import { namespacesPeer, sameNamespaceLabelsPeer, selectorPeer } from './selectors.ts';
import { servicePeer } from './service.ts';
import { labelledPods, serviceAccountPeer } from './service-account.ts';

/** A peer as profiles name it, or a part of the service mesh, which only the baseline names. */
export type RulePeer = Peer & { readonly mesh?: MeshPart };

/** `fixed`: the same NetworkPolicyPeer in every namespace and cluster. `dynamic`: to be resolved by `resolvePeer`. */
export type ClassifiedPeer =
  | { readonly kind: 'fixed'; readonly fixed: NetworkPolicyPeer }
  | { readonly kind: 'dynamic'; readonly label: string; readonly peer: RulePeer };

export function classifyPeer(peer: RulePeer): ClassifiedPeer {
  const { service, serviceAccount, entity, sameNamespaceLabels, fqdn, mesh } = peer;
  const isDynamic = [service, serviceAccount, entity, sameNamespaceLabels, fqdn, mesh].some(
    (each) => each !== undefined,
  );
  if (!isDynamic) {
    if (peer.namespaces !== undefined)
      return { kind: 'fixed', fixed: namespacesPeer(peer.namespaces, peer.podSelector) };
    if (peer.ipBlock !== undefined) return { kind: 'fixed', fixed: ipBlockPeer(peer.ipBlock) };
    if (peer.podSelector !== undefined || peer.namespaceSelector !== undefined)
      return { kind: 'fixed', fixed: selectorPeer(peer) };
  }
  return { kind: 'dynamic', label: peerLabel(peer), peer };
}

/** Resolves a peer whose meaning depends on the namespace or the cluster. */
export function resolvePeer(peer: RulePeer, context: PeerContext): Resolution {
  const { sameNamespaceLabels, podSelector, mesh } = peer;
  if (mesh !== undefined) return meshPeer(mesh, context);
  if (sameNamespaceLabels === undefined) return clusterPeer(peer, context);
  return sameNamespaceLabelsPeer({ sameNamespaceLabels, podSelector }, context);
}

/** Resolves a Service or ServiceAccount to pods that a NetworkPolicy can select. An engine carries peers, and selects no pods. */
export const resolvePods = cached(
  (peer: Peer, context): Resolution =>
    peer.serviceAccount === undefined
      ? resolvePeer(peer, context)
      : labelledPods(peer.serviceAccount, context),
);

/** Peers that are the same in every namespace, and cost to resolve. */
const clusterPeer = cached((peer: Peer, context): Resolution => {
  if (peer.service !== undefined) return servicePeer(peer.service, context);
  if (peer.serviceAccount !== undefined) return serviceAccountPeer(peer.serviceAccount, context);
  if (peer.entity !== undefined) return entityPeer(peer.entity, context);
  if (peer.fqdn !== undefined) return fqdnPeer(peer.fqdn, context);
  // A peer of a later version of the schema: never to be taken for "everyone".
  return unresolved(
    'NotConfigured',
    'this version of the operator does not know this kind of peer; upgrade it',
  );
});

/**
 * The name of a dynamic peer in messages and in the notes on a policy. The last known form of the peer is found by it,
 * so it tells any two peers apart.
 */
export function peerLabel(peer: RulePeer): string {
  const { service, serviceAccount, entity, sameNamespaceLabels, podSelector, fqdn, mesh } = peer;
  if (mesh !== undefined) return `mesh ${mesh}`;
  if (service !== undefined) return `service ${service.namespace}/${service.name}`;
  if (serviceAccount !== undefined)
    return `serviceAccount ${serviceAccount.namespace}/${serviceAccount.name}`;
  if (entity !== undefined) return `entity ${entity}`;
  if (fqdn !== undefined) return `fqdn ${fqdn.names.join(', ')}`;
  if (sameNamespaceLabels !== undefined) {
    const pods = podSelector === undefined ? '' : ` pods ${selectorTerms(podSelector).join(',') || 'all'}`;
    return `sameNamespaceLabels ${sameNamespaceLabels.join(', ')}${pods}`;
  }
  return `of an unknown kind: ${JSON.stringify(peer)}`;
}
