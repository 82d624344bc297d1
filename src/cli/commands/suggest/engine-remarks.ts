/**
 * Remarks on a proposed profile where a network engine or a mesh decides about its flows in another way than by addresses and
 * ports. Pure.
 */
import { AMBIENT } from '../../../engines/istio/mesh-config.ts';
import { usesCilium } from '../../../engines/layers/kinds.ts';
import type { ProposedConnection } from '../../../flows/suggestion/connections.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { shortList } from '../../../util/list-text.ts';
import type { ObservedGroup } from '../../flows/observed.ts';

export function engineRemarks(
  connections: readonly ProposedConnection[],
  groups: readonly ObservedGroup[],
  snapshot: Snapshot,
): string[] {
  return [...ciliumRemarks(connections, snapshot), ...tunnelRemarks(groups, snapshot)];
}

/** Cilium knows nodes and API servers by an identity of their own, which no address matches. */
function ciliumRemarks(connections: readonly ProposedConnection[], snapshot: Snapshot): string[] {
  if (!usesCilium(snapshot) || snapshot.extensionKind !== undefined) return [];
  const names = connections
    .map(({ connection }) => connection)
    .filter(({ from, to }) =>
      [...from, ...to].some(({ entity }) => entity === 'KubeAPIServer' || entity === 'Nodes'),
    )
    .map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    `Cilium matches nodes and the API server by no address: ${shortList(names)} allows them only if the operator writes CiliumNetworkPolicies (engine: Cilium in its configuration)`,
  ];
}

/** In ambient mode, one port carries all connections between pods of the mesh, so that logs of that port lack the ports behind it. */
function tunnelRemarks(groups: readonly ObservedGroup[], { namespaces }: Snapshot): string[] {
  const { namespaceSelector, port: tunnel } = AMBIENT;
  const ambient = new Set(
    namespaces.filter(({ labels }) => matches(namespaceSelector, labels)).map(({ name }) => name),
  );
  const flows = groups
    .filter(
      ({ destination: { namespace = '' }, port, protocol }) =>
        ambient.has(namespace) && port === tunnel && protocol === 'TCP',
    )
    .map(({ source, destination }) => `${source.label} → ${destination.label}`);
  if (flows.length === 0) return [];
  return [
    `port ${tunnel} carries connections to any port between pods of the mesh: the log does not have their ports, so write those of ${shortList([...new Set(flows)], { most: 4 })} instead`,
  ];
}
