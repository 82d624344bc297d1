/**
 * Finds the access that a foreign NetworkPolicy allows and that a profile's tenant limit would not admit. Pure. It judges
 * policies that existed before the limit, as config/admission/tenant_policies.yaml judges new ones.
 */
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type PolicyType,
} from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { isolates, rulesOf } from '../semantics/normalize.ts';

/** Scopes of a peer, from the widest to the narrowest. */
const SCOPES = ['everyone', 'addresses', 'other namespaces', 'its own namespace'] as const;
type PeerScope = (typeof SCOPES)[number];

/** The scopes of the peers that a policy allows, a bit for each direction and scope. The cache holds it for every policy. */
export type PeerScopes = number;

export function peerScopesOf({ metadata, spec }: NetworkPolicy): PeerScopes {
  let scopes = 0;
  for (const direction of isolates(spec)) {
    for (const { peers } of rulesOf(spec, direction)) {
      const found = peers?.map((peer) => scopeOf(peer, metadata.namespace ?? '')) ?? (['everyone'] as const);
      for (const scope of found) scopes |= bit(direction, scope);
    }
  }
  return scopes;
}

/** Names the scopes that widen the profile, such as `ingress from everyone`; undefined if none does. */
export function wideningOf({ spec }: SegmentationProfile, scopes: PeerScopes): string | undefined {
  const limit = spec.admission?.tenantPolicies ?? 'Any';
  if (limit === 'Any') return undefined;
  const parts = DIRECTIONS.filter((each) => spec.isolation.includes(each)).flatMap((direction) => {
    const found = SCOPES.filter(
      (scope) =>
        (scopes & bit(direction, scope)) !== 0 && (limit === 'None' || scope !== 'its own namespace'),
    );
    const word = direction === 'Ingress' ? 'ingress from' : 'egress to';
    return found.length > 0 ? [`${word} ${found.join(', ')}`] : [];
  });
  return parts.length > 0 ? parts.join('; ') : undefined;
}

function scopeOf({ ipBlock, namespaceSelector }: NetworkPolicyPeer, namespace: string): PeerScope {
  if (ipBlock !== undefined) return 'addresses';
  if (namespaceSelector === undefined) return 'its own namespace';
  const own = namespaceSelector.matchLabels?.[LABEL_NAMESPACE_NAME] === namespace;
  return own ? 'its own namespace' : 'other namespaces';
}

function bit(direction: PolicyType, scope: PeerScope): number {
  return 1 << (DIRECTIONS.indexOf(direction) * SCOPES.length + SCOPES.indexOf(scope));
}
