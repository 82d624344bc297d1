/** Adds to a peer what the network engine has to carry beside the NetworkPolicies. Pure. */
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import type { EngineFacts, ExtensionGrant, ExtensionKind, ExtensionPeer } from '../extensions.ts';
import type { ClusterFacts } from '../facts.ts';
import { singleAddressCidr } from '../semantics/cidr.ts';
import {
  type AtLeastOne,
  type Grant,
  isAtLeastOne,
  partlyResolved,
  type Resolution,
  resolved,
  type Unresolved,
  unresolved,
} from './resolution.ts';

type Carrying = Exclude<EngineFacts, { readonly kind: 'none' }>;

/** The facts of an engine that has to carry peers of the kind; undefined if none has to. */
function carrying(kind: ExtensionKind, cluster: ClusterFacts): Carrying | undefined {
  const facts = cluster.engine();
  return facts !== undefined && facts.kind !== 'none' && facts.carries.has(kind) ? facts : undefined;
}

/**
 * `resolution`, with an extension for the same ports where the engine matches `peer` by an identity and not by address. If the
 * extension can't be written, the peer is resolved in part.
 */
export function extended(resolution: Resolution, peer: ExtensionPeer, cluster: ClusterFacts): Resolution {
  const facts = carrying(peer.kind, cluster);
  // An unresolved peer implies no ports, so that its last known extension stays.
  if (facts === undefined || resolution.kind !== 'resolved') return resolution;
  if (facts.kind === 'missing') return partlyResolved(resolution.grants, reasonOf(facts));
  return { ...resolution, extensions: [{ peer, ...portsOf(resolution.grants) }] };
}

/**
 * The peer, of which `labelled` is the part that NetworkPolicy can select by labels, if there is such a part. The engine knows
 * the whole of it by an identity, and so carries what labels don't tell.
 */
export function identified(labelled: Resolution, peer: ExtensionPeer, cluster: ClusterFacts): Resolution {
  const facts = carrying(peer.kind, cluster);
  if (facts?.kind === 'missing' && labelled.kind === 'unresolved') {
    const { reason, message } = facts;
    const both = `${message}; the label of its pods does not tell them either: ${labelled.message}`;
    return { ...labelled, reason, message: both };
  }
  if (facts?.kind !== 'available') return labelled;
  if (labelled.kind === 'resolved' || labelled.kind === 'partly-resolved')
    return { kind: 'resolved', grants: labelled.grants, extensions: [{ peer }] };
  return { kind: 'extended', extensions: [{ peer }] };
}

/** The resolution of a peer by names on these ports, all if absent. An engine may not be able to say such ports of names. */
export function namesOnPorts(
  resolution: Resolution,
  ports: readonly NetworkPolicyPort[],
  cluster: ClusterFacts,
): Resolution {
  const isSingle = ({ protocol, port, endPort }: NetworkPolicyPort) =>
    protocol !== 'SCTP' && typeof port !== 'string' && (endPort === undefined || endPort === port);
  if (resolution.kind !== 'extended' || ports.every(isSingle) || carrying('namePorts', cluster) !== undefined)
    return resolution;
  return unresolved(
    'Unsupported',
    'the network engine allows names on single ports of TCP and UDP alone: list these in the rule',
  );
}

/** The controllers that the configuration lists, and the ingress of the engine itself, which has no pods. */
export function withEngineIngress(listed: Resolution, cluster: ClusterFacts): Resolution {
  if (!cluster.configuration.engineIngress) return listed;
  const peer = { kind: 'engineIngress' } as const;
  const facts = carrying(peer.kind, cluster);
  if (facts?.kind === 'missing' && listed.kind === 'unresolved') return { ...listed, ...reasonOf(facts) };
  return facts?.kind === 'available' && listed.kind === 'unresolved'
    ? { kind: 'extended', extensions: [{ peer }] }
    : extended(listed, peer, cluster);
}

/**
 * The addresses of the grants, with extensions for those that the engine knows as the API server or as nodes, and so matches by
 * no address. It knows all nodes as one, and all API servers as one: where the addresses are only some of them, an extension
 * would be wider than the peer, and the rest is reported.
 *
 * @param owner names the object with the addresses in messages
 */
export function withIdentities(grants: AtLeastOne<Grant>, owner: string, cluster: ClusterFacts): Resolution {
  const facts = carrying('nodes', cluster);
  // In a cluster, unknown sources delay the reconcile. Manifests seldom describe Nodes: there the addresses stand alone.
  if (
    facts === undefined ||
    !cluster.isKnown({ kind: 'nodes' }) ||
    !cluster.isKnown({ kind: 'endpointSlices', namespace: 'default' })
  )
    return resolved(...grants);
  const ends = engineEnds(cluster);
  const groups = [...Map.groupBy(grants, ({ ports }) => JSON.stringify(ports)).values()].filter(isAtLeastOne);
  const judged = groups.map((group) => ({ group, ...identitiesOf(addressesOf(group), ends) }));
  if (judged.every(({ peers, rest }) => peers.length + rest.length === 0)) return resolved(...grants);
  if (facts.kind === 'missing') return partlyResolved(grants, reasonOf(facts));
  const extensions = judged.flatMap(({ group, peers }) =>
    peers.map((peer): ExtensionGrant => ({ peer, ...portsOf(group) })),
  );
  const rest = judged.flatMap((each) => each.rest);
  const [example] = rest;
  if (example === undefined) return { kind: 'resolved', grants, extensions };
  const message =
    `the network engine knows nodes, and API servers, only all together, and ${owner} has addresses of some of them ` +
    `(${example.split('/')[0]}): allow the entity Nodes on its ports, or leave it out`;
  return { kind: 'partly-resolved', grants, missing: { reason: 'ServiceUnsupported', message }, extensions };
}

/** The ends that the engine knows by an identity, by their addresses as ranges of one. */
interface EngineEnds {
  readonly apiServers: readonly string[];
  readonly nodes: readonly (readonly string[])[];
}

function engineEnds(cluster: ClusterFacts): EngineEnds {
  const canonical = (addresses: readonly string[]) =>
    addresses.flatMap((each) => singleAddressCidr(each) ?? []);
  return {
    apiServers: cluster.endpoints('default', 'kubernetes').flatMap(({ addresses }) => canonical(addresses)),
    nodes: cluster.nodes().map(({ addresses }) => canonical(addresses)),
  };
}

/** The identities that mean nothing but `addresses`, and the addresses of other nodes and API servers. */
function identitiesOf(
  addresses: ReadonlySet<string>,
  { apiServers, nodes }: EngineEnds,
): { readonly peers: readonly ExtensionPeer[]; readonly rest: readonly string[] } {
  const isMeant = (address: string) => addresses.has(address);
  const isAllAPIServers = apiServers.length > 0 && apiServers.every(isMeant);
  const isAllNodes = nodes.length > 0 && nodes.every((node) => node.some(isMeant));
  const carried = new Set([
    ...(isAllAPIServers ? apiServers : []),
    ...(isAllNodes ? nodes.flat() : []),
    // A node with an API server has the identity of both.
    ...(isAllAPIServers ? nodes.filter((node) => node.some((each) => apiServers.includes(each))).flat() : []),
  ]);
  return {
    peers: [
      ...(isAllAPIServers ? [{ kind: 'kubeAPIServer' } as const] : []),
      ...(isAllNodes ? [{ kind: 'nodes' } as const] : []),
    ],
    rest: [...new Set([...apiServers, ...nodes.flat()])].filter(
      (each) => isMeant(each) && !carried.has(each),
    ),
  };
}

/** Addresses as the grants of endpoints have them: each an ipBlock of a single address. */
function addressesOf(grants: readonly Grant[]): ReadonlySet<string> {
  return new Set(
    grants
      .flatMap(({ peers }) => (peers === 'everyone' ? [] : peers))
      .flatMap(({ ipBlock }) => ipBlock?.cidr ?? []),
  );
}

function reasonOf({ reason, message }: Extract<EngineFacts, { readonly kind: 'missing' }>): Unresolved {
  return { reason, message };
}

function portsOf(grants: readonly Grant[]): Pick<ExtensionGrant, 'ports'> {
  const ports = grants.flatMap((grant) => grant.ports ?? []);
  return ports.length > 0 ? { ports } : {};
}
