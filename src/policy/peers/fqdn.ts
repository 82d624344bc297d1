/** The peer `fqdn`: hosts by their DNS names, which only a network engine can carry. Pure. */
import type { DNSServers } from '../extensions.ts';
import type { ClusterFacts } from '../facts.ts';
import { dnsPods, PORT_53 } from './dns.ts';
import { type PeerContext, type Resolution, unresolved } from './resolution.ts';

export function fqdnPeer(
  { names }: { readonly names: readonly string[] },
  { cluster }: PeerContext,
): Resolution {
  const engine = cluster.engine();
  if (engine === undefined)
    return unresolved('SourceUnavailable', 'the network engine of the cluster is not known yet');
  if (engine.kind === 'none')
    return unresolved('NoEngine', `NetworkPolicy knows no names, and ${engine.message}; or use an ipBlock`);
  if (!engine.carries.has('names'))
    return unresolved('NoEngine', 'the network engine of the cluster carries no names; use an ipBlock');
  const deep = names.find((name) => name.startsWith('**.'));
  if (deep !== undefined && !engine.carries.has('deepNames'))
    return unresolved(
      'Unsupported',
      `the network engine knows no ${deep}, as its wildcards stand for one label: write ${deep.slice(1)}, and deeper names in full`,
    );
  if (engine.kind === 'missing') return unresolved(engine.reason, engine.message);
  if (!cluster.isKnown({ kind: 'services' }))
    return unresolved('SourceUnavailable', 'Services cannot be read yet');
  return { kind: 'extended', extensions: [{ peer: { kind: 'names', names, dns: nameServers(cluster) } }] };
}

/** Pods that ask for a name ask these servers. If the DNS Service does not exist, the configured pods stand for it. */
export function nameServers(cluster: ClusterFacts): DNSServers {
  const found = dnsPods(cluster);
  if (found !== undefined) return found;
  const { namespace, podSelector } = cluster.configuration.clusterDNS;
  return { namespace, podSelector, ports: PORT_53 };
}
