/** Peers that are label selectors: as written, by namespace name, and by labels shared with the namespace. Pure. */
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type { NetworkPolicyPeer } from '../../api/network-policy.ts';
import type { LabelSelector } from '../../api/meta.ts';
import type { NamespaceFacts } from '../facts.ts';
import { type PeerContext, type Resolution, resolved } from './resolution.ts';

/** The selectors that are present: an absent selector and an empty one differ. */
export function selectorPeer({ namespaceSelector, podSelector }: NetworkPolicyPeer): NetworkPolicyPeer {
  return { ...(namespaceSelector && { namespaceSelector }), ...(podSelector && { podSelector }) };
}

/** Pods of the named namespaces: those that `podSelector` selects; all if it is absent. */
export function namespacesPeer(names: readonly string[], podSelector?: LabelSelector): NetworkPolicyPeer {
  return { namespaceSelector: namespaceNamed(...names), ...(podSelector && { podSelector }) };
}

/**
 * Pods of the namespaces that have the same values of the labels as the namespace itself: those that `podSelector`
 * selects; all if it is absent. The namespace's own pods have a peer of their own, which holds whatever the labels are:
 * when a label of the namespace changes, the namespaceSelector ceases to match it at once, before the operator can update
 * the policy.
 */
export function sameNamespaceLabelsPeer(
  { sameNamespaceLabels: keys, podSelector }: SameNamespaceLabels,
  { namespace }: PeerContext,
): Resolution {
  const { matchLabels, missing } = valuesOf(keys, namespace);
  const own: NetworkPolicyPeer = { podSelector: podSelector ?? {} };
  if (missing.length > 0) return { ...missingLabels(missing, namespace), known: [{ peers: [own] }] };
  let known = resolutions.get(keys);
  if (known === undefined) resolutions.set(keys, (known = new Map()));
  const values = JSON.stringify([matchLabels, podSelector]);
  let resolution = known.get(values);
  if (resolution === undefined) {
    const others = { namespaceSelector: { matchLabels }, ...(podSelector && { podSelector }) };
    resolution = resolved({ peers: [others, own] });
    known.set(values, resolution);
  }
  return resolution;
}

interface SameNamespaceLabels {
  readonly sameNamespaceLabels: readonly string[];
  readonly podSelector?: LabelSelector | undefined;
}

/** By the peer's keys, then by values: one resolution for all namespaces of a tenant, so that its rules are made once. */
const resolutions = new WeakMap<readonly string[], Map<string, Resolution>>();

/** The namespace's values of the labels `keys`, and the keys that it does not have. */
export function valuesOf(
  keys: readonly string[],
  { labels }: NamespaceFacts,
): { matchLabels: Readonly<Record<string, string>>; missing: readonly string[] } {
  const matchLabels: Record<string, string> = {};
  const missing: string[] = [];
  for (const key of keys) {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (value === undefined) missing.push(key);
    else matchLabels[key] = value;
  }
  return { matchLabels, missing };
}

/** The namespace has none of the labels `missing`, which is not empty. */
export function missingLabels(
  missing: readonly string[],
  { name }: NamespaceFacts,
): Extract<Resolution, { kind: 'unresolved' }> {
  return {
    kind: 'unresolved',
    reason: 'NamespaceLabelMissing',
    message:
      `the namespace has no label ${missing.join(', ')}; label it (kubectl label namespace ${name} ` +
      `${missing[0]}=VALUE) or leave it out of the profile (excludeNamespaces)`,
  };
}

/** Selects namespaces by name, through the label that the API server sets on each. */
export function namespaceNamed(...names: string[]): LabelSelector {
  const unique = [...new Set(names)].sort();
  return unique.length === 1
    ? { matchLabels: { [LABEL_NAMESPACE_NAME]: unique[0] ?? '' } }
    : { matchExpressions: [{ key: LABEL_NAMESPACE_NAME, operator: 'In', values: unique }] };
}

/** The pods of namespace `name` that `podSelector` selects. */
export function podsIn(name: string, podSelector: LabelSelector): NetworkPolicyPeer {
  return { namespaceSelector: namespaceNamed(name), podSelector };
}
