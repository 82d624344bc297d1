/** The connection that could stand for an egress rule and an ingress rule, before it is proven to. Pure. */
import type { LabelSelector } from '../../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../../api/names.ts';
import type { Connection, EgressRule, IngressRule, NamespaceScope, Peer } from '../../../api/profile.ts';
import { isOutside } from '../../../policy/connections/ends.ts';
import { canonicalSelector, EVERYTHING, NOTHING, selectorKey } from '../../../policy/semantics/selector.ts';

/** The schema's bound on a description, in characters. */
const MAX_DESCRIPTION = 512;

type Ports = NonNullable<Connection['ports']>;

/**
 * The connections that could stand for both rules, best first: they differ in their ports. None if an end of the rules is
 * an address, an entity or a name, or if the rules can have no flow in common.
 *
 * @param taken names of the profile's other rules and connections
 */
export function candidatesFor(
  egress: EgressRule,
  ingress: IngressRule,
  taken: ReadonlySet<string>,
): Connection[] {
  const from = narrowed(ingress.from, egress);
  const to = narrowed(egress.to, ingress);
  const name = [egress.name, ingress.name].find((each) => !taken.has(each));
  if (from.length === 0 || to.length === 0 || name === undefined) return [];
  const description = [...new Set([egress.description, ingress.description])].filter(Boolean).join(' ');
  return portChoices(egress.ports, ingress.ports).map((ports) => ({
    name,
    ...(description !== '' && { description: description.slice(0, MAX_DESCRIPTION) }),
    from,
    to,
    ...(ports !== undefined && { ports }),
  }));
}

interface Side {
  readonly podSelector?: LabelSelector;
  readonly inNamespaces?: NamespaceScope;
}

/** The peers that one rule names, as far as the other rule is for them; empty if a peer is no pod. */
function narrowed(peers: readonly Peer[], side: Side): Peer[] {
  const ends = peers.map((peer) => narrowedPeer(peer, side));
  return ends.includes('outside') ? [] : ends.filter((end) => end !== 'outside' && end !== 'nobody');
}

function narrowedPeer(peer: Peer, { podSelector, inNamespaces }: Side): Peer | 'outside' | 'nobody' {
  if (isOutside(peer)) return 'outside';
  // Their own selector and namespace: the proof shows if the rule is for the same pods.
  if (peer.service !== undefined || peer.serviceAccount !== undefined) return peer;
  const pods = canonicalSelector(both(peer.podSelector ?? EVERYTHING, podSelector ?? EVERYTHING));
  if (selectorKey(pods) === selectorKey(NOTHING)) return 'nobody';
  const named = namesOf(peer);
  const namespaces = named?.filter((name) => inNamespaces?.names?.includes(name) ?? true);
  if (namespaces?.length === 0) return 'nobody';
  const { podSelector: _pods, namespaces: _names, namespaceSelector, ...rest } = peer;
  const isAlone = namespaces === undefined && namespaceSelector === undefined && !rest.sameNamespaceLabels;
  const isAllPods = selectorKey(pods) === selectorKey(EVERYTHING);
  return {
    ...rest,
    ...(namespaces !== undefined ? { namespaces } : namespaceSelector && { namespaceSelector }),
    ...((isAlone || !isAllPods) && { podSelector: pods }),
  };
}

/** The names of a peer that selects namespaces by name alone. */
function namesOf({ namespaces, namespaceSelector }: Peer): readonly string[] | undefined {
  if (namespaces !== undefined) return namespaces;
  const { matchLabels = {}, matchExpressions = [] } = namespaceSelector ?? {};
  const name = matchLabels[LABEL_NAMESPACE_NAME];
  const isName = Object.keys(matchLabels).length === 1 && matchExpressions.length === 0;
  return isName && name !== undefined ? [name] : undefined;
}

function both(a: LabelSelector, b: LabelSelector): LabelSelector {
  const expressions = [a, b].flatMap(({ matchLabels = {}, matchExpressions = [] }) => [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In' as const, values: [value] })),
    ...matchExpressions,
  ]);
  return { matchExpressions: expressions };
}

/** Ports that both rules may agree on: first the shortest spelling. Absent stands for all, or those of a Service. */
function portChoices(a: Ports | undefined, b: Ports | undefined): (Ports | undefined)[] {
  const [given, other] = [a, b].filter((ports) => ports !== undefined && ports.length > 0);
  if (given === undefined) return [undefined];
  if (other === undefined) return [undefined, given];
  const keys = new Set(other.map((port) => JSON.stringify(port)));
  const shared = given.filter((port) => keys.has(JSON.stringify(port)));
  return [...(shared.length > 0 ? [shared] : []), given, other];
}
