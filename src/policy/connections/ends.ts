/**
 * The ends of a connection: where an end lies, which pods it is there, and how it relates to the other end. Pure.
 *
 * An end lies in a namespace if the namespace's name and labels say so; an address or an entity lies nowhere. An end that
 * names no namespace of its own is relative to the other end: `podSelector` alone is in the same namespace, and
 * `sameNamespaceLabels` in those that share the labels. If the other end is no pod, it is in every selected namespace.
 */
import type { LabelSelector } from '../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type { NetworkPolicyPeer } from '../../api/network-policy.ts';
import type { Peer } from '../../api/profile.ts';
import type { NamespaceFacts } from '../facts.ts';
import { valuesOf } from '../peers/selectors.ts';
import { peerLabel } from '../peers/index.ts';
import { canonicalSelector, EVERYTHING, matches, NOTHING, selectorKey } from '../semantics/selector.ts';

/** How the namespaces of both ends of a flow relate, as one of the ends asks for it. */
export type Relation =
  | { readonly kind: 'any' }
  | { readonly kind: 'same-namespace' }
  | {
      readonly kind: 'same-labels';
      readonly keys: readonly string[];
      /** Names the end in messages. */
      readonly label: string;
    };

/** The pods that an end is, in a namespace in which it lies. `key` is equal for the same pods. */
export type EndPods =
  | { readonly kind: 'selector'; readonly key: string; readonly podSelector: LabelSelector }
  /** To be resolved: a Service or ServiceAccount. */
  | { readonly kind: 'dynamic'; readonly key: string; readonly peer: Peer };

/** True if pods of the namespace can be this end. */
export function liesIn(end: Peer, namespace: NamespaceFacts): boolean {
  if (isOutside(end)) return false;
  const place = placeOf(end);
  if (place !== undefined) return place === namespace.name;
  if (end.namespaces !== undefined) return end.namespaces.includes(namespace.name);
  return end.namespaceSelector === undefined || matches(end.namespaceSelector, labelsOf(namespace));
}

/** True for an address, an entity or a name: no namespace gets a rule for it. */
export function isOutside({ ipBlock, entity, fqdn }: Peer): boolean {
  return ipBlock !== undefined || entity !== undefined || fqdn !== undefined;
}

/** The namespace of a Service or ServiceAccount. */
export function placeOf({ service, serviceAccount }: Peer): string | undefined {
  return service?.namespace ?? serviceAccount?.namespace;
}

/** The pods of an end that is not outside. */
export function podsOf(end: Peer): EndPods {
  if (placeOf(end) !== undefined) return { kind: 'dynamic', key: peerLabel(end), peer: end };
  const { podSelector = EVERYTHING } = end;
  return { kind: 'selector', key: selectorKey(podSelector), podSelector };
}

export function relationOf(end: Peer): Relation {
  if (end.sameNamespaceLabels !== undefined) {
    const { sameNamespaceLabels: keys } = end;
    return { kind: 'same-labels', keys, label: peerLabel({ sameNamespaceLabels: [...keys] }) };
  }
  return end.podSelector !== undefined && end.namespaceSelector === undefined && end.namespaces === undefined
    ? { kind: 'same-namespace' }
    : { kind: 'any' };
}

/** Equal for relations that ask for the same. */
export function relationKey(relation: Relation): string {
  return relation.kind === 'same-labels' ? relation.label : relation.kind;
}

/**
 * The part of `peer`, as it is in a policy of `namespace`, that relates to the namespace. Its own pods have a peer of their
 * own, which the engine holds to the labels: when a label changes, the operator need not have written before.
 */
export function related(
  peer: NetworkPolicyPeer,
  relation: Relation,
  namespace: NamespaceFacts,
): NetworkPolicyPeer[] {
  // Without a namespaceSelector: an address, or pods of the namespace itself.
  if (relation.kind === 'any' || peer.namespaceSelector === undefined) return [peer];
  return [
    ...relatedByLabels(peer, relation, namespace),
    ...narrowed(peer, { [LABEL_NAMESPACE_NAME]: namespace.name }),
  ];
}

/** The related peers of a whole grant, which may list the namespace's own pods already. */
export function relatedPeers(
  peers: readonly NetworkPolicyPeer[],
  relation: Relation,
  namespace: NamespaceFacts,
): NetworkPolicyPeer[] {
  const ownPods = new Set(peers.filter(isOwnPods).map(podsKey));
  return peers.flatMap((peer) =>
    relation.kind !== 'any' && peer.namespaceSelector !== undefined && ownPods.has(podsKey(peer))
      ? relatedByLabels(peer, relation, namespace)
      : related(peer, relation, namespace),
  );
}

/** The part of a peer in the namespaces that share the labels. */
function relatedByLabels(
  peer: NetworkPolicyPeer,
  relation: Relation,
  namespace: NamespaceFacts,
): NetworkPolicyPeer[] {
  if (relation.kind !== 'same-labels') return [];
  const { matchLabels, missing } = valuesOf(relation.keys, namespace);
  // A namespace without the label relates to no other one.
  return missing.length > 0 ? [] : narrowed(peer, matchLabels);
}

function isOwnPods({ ipBlock, namespaceSelector }: NetworkPolicyPeer): boolean {
  return ipBlock === undefined && namespaceSelector === undefined;
}

function podsKey({ podSelector = EVERYTHING }: NetworkPolicyPeer): string {
  return selectorKey(podSelector);
}

/** The part of a peer with a namespaceSelector in namespaces with these labels; none if there can't be any. */
function narrowed(
  { namespaceSelector = EVERYTHING, podSelector }: NetworkPolicyPeer,
  labels: Readonly<Record<string, string>>,
): NetworkPolicyPeer[] {
  const requirements = Object.entries(labels).map(([key, value]) => ({
    key,
    operator: 'In' as const,
    values: [value],
  }));
  const selector = canonicalSelector({
    ...namespaceSelector,
    matchExpressions: [...(namespaceSelector.matchExpressions ?? []), ...requirements],
  });
  if (selectorKey(selector) === selectorKey(NOTHING)) return [];
  return [{ namespaceSelector: selector, ...(podSelector && { podSelector }) }];
}

/** The API server sets the label of the name on every namespace; manifests seldom have it. */
function labelsOf({ name, labels }: NamespaceFacts): NamespaceFacts['labels'] {
  return labels[LABEL_NAMESPACE_NAME] === name ? labels : { ...labels, [LABEL_NAMESPACE_NAME]: name };
}
