/** The peers of a profile that engines match in ways of their own. Pure. */
import type { Peer, SegmentationProfile } from '../api/profile.ts';
import type { ExtensionKind } from '../policy/extensions.ts';
import { byName } from '../util/order.ts';

export interface DependentPeer {
  /** As a profile names it. */
  readonly name: string;
  readonly kind: ExtensionKind;
}

/**
 * The peers whose enforcement depends on the engine, each once, by name. NetworkPolicy knows no names, and some engines match the
 * API server, nodes and service accounts by an identity, and not by address or label.
 */
export function dependentPeers({ spec }: SegmentationProfile): readonly DependentPeer[] {
  const { baseline, ingress = [], egress = [], connections = [] } = spec;
  const peers = [
    ...ingress.flatMap(({ from }) => from),
    ...egress.flatMap(({ to }) => to),
    ...connections.flatMap(({ from, to }) => [...from, ...to]),
  ];
  const found: readonly DependentPeer[] = [
    ...(baseline.kubeAPIServer === 'Allow' ? [KUBE_API_SERVER] : []),
    ...peers.flatMap((peer) => dependentPeer(peer) ?? []),
  ];
  return [...new Map(found.map((peer) => [peer.name, peer])).values()].sort(byName);
}

const KUBE_API_SERVER: DependentPeer = { name: 'KubeAPIServer', kind: 'kubeAPIServer' };

function dependentPeer({ entity, fqdn, serviceAccount }: Peer): DependentPeer | undefined {
  if (fqdn !== undefined) return { name: `fqdn ${fqdn.names.join(', ')}`, kind: 'names' };
  if (serviceAccount !== undefined) {
    const { namespace, name } = serviceAccount;
    return { name: `serviceAccount ${namespace}/${name}`, kind: 'serviceAccount' };
  }
  if (entity === 'KubeAPIServer') return KUBE_API_SERVER;
  return entity === 'Nodes' ? { name: 'Nodes', kind: 'nodes' } : undefined;
}
