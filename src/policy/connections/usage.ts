/** Connections of which no end lies in a selected namespace: no policy carries them. Pure. */
import type { Connection, Peer, SegmentationProfile } from '../../api/profile.ts';
import { selectorTerms } from '../semantics/selector.ts';

/** The profile's connections that are in none of `used`: the names that compiling gave for each selected namespace. */
export function unusedConnections(
  { spec }: SegmentationProfile,
  used: Iterable<readonly string[]>,
): readonly Connection[] {
  const { connections = [] } = spec;
  const unused = new Map(connections.map((connection) => [connection.name, connection]));
  for (const names of used) {
    if (unused.size === 0) break;
    for (const name of names) unused.delete(name);
  }
  return [...unused.values()];
}

/** A connection with its ends, for messages: `a-to-b (from namespaces a, to service b/api)`. */
export function connectionText({ name, from, to }: Connection): string {
  return `${name} (from ${endsText(from)}, to ${endsText(to)})`;
}

/** How many ends a message names. */
const NAMED = 3;

function endsText(ends: readonly Peer[]): string {
  const more = ends.length > NAMED ? ` or ${ends.length - NAMED} more` : '';
  return ends.slice(0, NAMED).map(endText).join(' or ') + more;
}

/** An end, by what it is told from others. */
function endText(end: Peer): string {
  const { service, serviceAccount, entity, fqdn, ipBlock, namespaces, namespaceSelector, podSelector } = end;
  if (service !== undefined) return `service ${service.namespace}/${service.name}`;
  if (serviceAccount !== undefined)
    return `serviceAccount ${serviceAccount.namespace}/${serviceAccount.name}`;
  if (entity !== undefined) return `entity ${entity}`;
  if (fqdn !== undefined) return `fqdn ${fqdn.names.join(', ')}`;
  if (ipBlock !== undefined) return `ipBlock ${ipBlock.cidr}`;
  const pods = podSelector === undefined ? '' : `pods ${selectorTerms(podSelector).join(',') || 'all'}`;
  const place =
    namespaces !== undefined
      ? `namespaces ${namespaces.join(', ')}`
      : namespaceSelector !== undefined
        ? `namespaces with ${selectorTerms(namespaceSelector).join(',') || 'any label'}`
        : end.sameNamespaceLabels === undefined
          ? undefined
          : `namespaces of the same ${end.sameNamespaceLabels.join(', ')}`;
  return place === undefined ? pods : pods === '' ? place : `${pods} in ${place}`;
}
