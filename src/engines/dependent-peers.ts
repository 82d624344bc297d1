/** The peers of a profile that engines match in ways of their own. Pure. */
import type { Peer, SegmentationProfile } from '../api/profile.ts';

/**
 * The peers whose enforcement depends on the engine, each once, as a profile names them. NetworkPolicy knows no names, and some
 * engines match the API server and nodes by an identity and not by address.
 */
export function dependentPeers({ spec }: SegmentationProfile): readonly string[] {
  const { baseline, ingress = [], egress = [], connections = [] } = spec;
  const peers = [
    ...ingress.flatMap(({ from }) => from),
    ...egress.flatMap(({ to }) => to),
    ...connections.flatMap(({ from, to }) => [...from, ...to]),
  ];
  const found = [
    ...(baseline.kubeAPIServer === 'Allow' ? ['KubeAPIServer'] : []),
    ...peers.flatMap((peer) => nameOf(peer) ?? []),
  ];
  return [...new Set(found)].sort();
}

function nameOf({ entity, fqdn }: Peer): string | undefined {
  if (fqdn !== undefined) return `fqdn ${fqdn.names.join(', ')}`;
  return entity === 'KubeAPIServer' || entity === 'Nodes' ? entity : undefined;
}
