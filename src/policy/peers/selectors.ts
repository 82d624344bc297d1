/** Peers that are label selectors: as written, by namespace name, and by labels shared with the namespace. Pure. */
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type { NetworkPolicyPeer } from '../../api/network-policy.ts';
import type { LabelSelector } from '../../api/meta.ts';
import { type PeerContext, type Resolution, resolved } from './resolution.ts';

/** The selectors that are present: an absent selector and an empty one differ. */
export function selectorPeer({ namespaceSelector, podSelector }: NetworkPolicyPeer): NetworkPolicyPeer {
  return { ...(namespaceSelector && { namespaceSelector }), ...(podSelector && { podSelector }) };
}

/** All pods of the named namespaces. */
export function namespacesPeer(names: readonly string[]): NetworkPolicyPeer {
  return { namespaceSelector: namespaceNamed(...names) };
}

/**
 * All pods of the namespaces that have the same values of the labels `keys` as the namespace itself. Its own pods have a
 * peer of their own, which holds whatever the labels are: when a label of the namespace changes, the namespaceSelector
 * ceases to match it at once, before the operator can update the policy.
 */
export function sameNamespaceLabelsPeer(keys: readonly string[], { namespace }: PeerContext): Resolution {
  const matchLabels: Record<string, string> = {};
  const missing: string[] = [];
  for (const key of keys) {
    const value = Object.hasOwn(namespace.labels, key) ? namespace.labels[key] : undefined;
    if (value === undefined) missing.push(key);
    else matchLabels[key] = value;
  }
  if (missing.length > 0) {
    return {
      kind: 'unresolved',
      reason: 'NamespaceLabelMissing',
      message:
        `the namespace has no label ${missing.join(', ')}; label it (kubectl label namespace ${namespace.name} ` +
        `${missing[0]}=VALUE) or leave it out of the profile (excludeNamespaces)`,
      known: [{ peers: [OWN_PODS] }],
    };
  }
  let known = resolutions.get(keys);
  if (known === undefined) resolutions.set(keys, (known = new Map()));
  const values = JSON.stringify(matchLabels);
  let resolution = known.get(values);
  if (resolution === undefined) {
    resolution = resolved({ peers: [{ namespaceSelector: { matchLabels } }, OWN_PODS] });
    known.set(values, resolution);
  }
  return resolution;
}

/** All pods of the policy's own namespace. */
const OWN_PODS: NetworkPolicyPeer = { podSelector: {} };

/** By the peer's keys, then by values: one resolution for all namespaces of a tenant, so that its rules are made once. */
const resolutions = new WeakMap<readonly string[], Map<string, Resolution>>();

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
