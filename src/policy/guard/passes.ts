/** From peers and ports to passes of a guard: what a guard can't say is left wider. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import type { NetworkPolicyPeer, NetworkPolicyPort, PolicyType } from '../../api/network-policy.ts';
import type { ExtensionRule } from '../extensions.ts';
import type { ClusterFacts, NamespaceFacts } from '../facts.ts';
import { classifyPeer, peerLabel, resolvePeer, type RulePeer } from '../peers/index.ts';
import type { Grant, Resolution } from '../peers/resolution.ts';
import { nameServers } from '../peers/fqdn.ts';
import { namespaceNamed } from '../peers/selectors.ts';
import { EVERYTHING } from '../semantics/selector.ts';
import { portRanges } from './cover.ts';
import type { GuardPass, GuardPeer, UnresolvedPass } from './guard.ts';

/** The peers and ports of a rule, as far as a guard asks for them. */
export interface PassSource {
  readonly name: string;
  readonly direction: PolicyType;
  readonly peers: readonly RulePeer[];
  readonly ports?: readonly NetworkPolicyPort[] | undefined;
  /** The one namespace for which the rule is; absent: each of the guarded ones. */
  readonly namespace?: NamespaceFacts;
}

export interface Passes {
  readonly passes: readonly GuardPass[];
  readonly unresolved: readonly UnresolvedPass[];
}

/** Any address: a name may resolve to each. */
const ANY_ADDRESS: readonly GuardPeer[] = ['0.0.0.0/0', '::/0'].map((cidr) => ({
  kind: 'addresses',
  cidr,
  except: [],
}));

/** The parts of peers that depend on the namespace are passed as a whole, or lie in the guarded namespaces. */
const NO_NAMESPACE: NamespaceFacts = { name: '', labels: {} };

export function passesOf(source: PassSource, cluster: ClusterFacts): Passes {
  const passes: GuardPass[] = [];
  const unresolved: UnresolvedPass[] = [];
  const add = (peers: readonly GuardPeer[], ports: readonly NetworkPolicyPort[] | undefined) => {
    const ranges = portRanges(ports);
    for (const peer of peers) passes.push({ peer, ...(ranges && { ports: ranges }), rules: [source.name] });
  };
  const addGrant = ({ peers, ports = source.ports }: Grant) =>
    add(peers === 'everyone' ? [{ kind: 'everyone' }] : peers.flatMap(guardPeers), ports);
  for (const peer of source.peers) {
    const wide = widePeers(peer);
    if (wide !== undefined) {
      add(wide, source.ports);
      continue;
    }
    const classified = classifyPeer(peer);
    if (classified.kind === 'fixed') {
      add(guardPeers(classified.fixed), source.ports);
      continue;
    }
    const resolution = resolveFor(peer, source, cluster);
    for (const grant of grantsOf(resolution)) addGrant(grant);
    if (peer.fqdn !== undefined) {
      add(ANY_ADDRESS, source.ports);
      // Also while no engine is known to carry names: extensions that stand then still allow the queries.
      if (cluster.isKnown({ kind: 'services' })) {
        const { podSelector, namespace, ports } = nameServers(cluster);
        add([{ kind: 'pods', namespaceSelector: namespaceNamed(namespace), podSelector }], ports);
      }
    } else if (peer.serviceAccount !== undefined && !isByLabelAlone(resolution)) {
      // Which of its pods the account's label tells is not certain, or an engine allows those without it too.
      const namespaceSelector = namespaceNamed(peer.serviceAccount.namespace);
      add([{ kind: 'pods', namespaceSelector, podSelector: EVERYTHING }], source.ports);
    } else if (resolution.kind === 'unresolved') {
      const { reason, message } = resolution;
      unresolved.push({ rule: source.name, peer: peerLabel(peer), reason, message });
    }
  }
  return { passes, unresolved };
}

/** The passes for rules of a NetworkPolicy in a guarded namespace. */
export function passesOfRule(
  name: string,
  {
    peers,
    ports,
  }: { readonly peers?: readonly NetworkPolicyPeer[]; readonly ports?: readonly NetworkPolicyPort[] },
): GuardPass[] {
  const ranges = portRanges(ports);
  const passed: readonly GuardPeer[] =
    peers === undefined ? [{ kind: 'everyone' }] : peers.flatMap(guardPeers);
  return passed.map((peer) => ({ peer, ...(ranges && { ports: ranges }), rules: [name] }));
}

/** The passes for an extension: a name may be any address. The API server and nodes have their addresses in NetworkPolicies. */
export function passesOfExtension(
  name: string,
  { peer, ports }: Pick<ExtensionRule, 'peer' | 'ports'>,
): GuardPass[] {
  if (peer.kind !== 'names') return [];
  const { namespace, podSelector, ports: served } = peer.dns;
  const servers: GuardPeer = { kind: 'pods', namespaceSelector: namespaceNamed(namespace), podSelector };
  const pass = (each: GuardPeer, on: readonly NetworkPolicyPort[] | undefined): GuardPass => {
    const ranges = portRanges(on);
    return { peer: each, ...(ranges && { ports: ranges }), rules: [name] };
  };
  return [pass(servers, served), ...ANY_ADDRESS.map((each) => pass(each, ports))];
}

/** None for pods of the policy's own namespace: flows between guarded namespaces are passed anyway. */
function guardPeers({
  ipBlock,
  namespaceSelector,
  podSelector = EVERYTHING,
}: NetworkPolicyPeer): GuardPeer[] {
  if (ipBlock !== undefined) return [{ kind: 'addresses', cidr: ipBlock.cidr, except: ipBlock.except ?? [] }];
  return namespaceSelector === undefined ? [] : [{ kind: 'pods', namespaceSelector, podSelector }];
}

/** Namespaces that share labels with a guarded one: whatever its values are, they have these labels. */
function widePeers({
  sameNamespaceLabels,
  podSelector = EVERYTHING,
}: RulePeer): readonly GuardPeer[] | undefined {
  if (sameNamespaceLabels === undefined) return undefined;
  const namespaceSelector: LabelSelector = {
    matchExpressions: sameNamespaceLabels.map((key) => ({ key, operator: 'Exists' })),
  };
  return [{ kind: 'pods', namespaceSelector, podSelector }];
}

function resolveFor(
  peer: RulePeer,
  { direction, ports = [], namespace = NO_NAMESPACE }: PassSource,
  cluster: ClusterFacts,
): Resolution {
  const impliesPorts = direction === 'Egress' && ports.length === 0;
  return resolvePeer(peer, { impliesPorts, namespace, cluster });
}

/** The grants of a peer, and those that stand for it while it is unresolved. */
function grantsOf(resolution: Resolution): readonly Grant[] {
  switch (resolution.kind) {
    case 'resolved':
    case 'partly-resolved':
      return resolution.grants;
    case 'extended':
      return [];
    case 'unresolved':
      return [...(resolution.known ?? []), ...(resolution.fallback?.grants ?? [])];
  }
}

function isByLabelAlone(resolution: Resolution): boolean {
  return resolution.kind === 'resolved' && (resolution.extensions ?? []).length === 0;
}
