/**
 * What somebody else's NetworkPolicy allows that a profile's `tenantPolicies` would not admit. Pure. The counterpart of
 * config/admission/tenant_policies.yaml for policies that were there before.
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

/** Whom a policy allows; from the most to the least. */
const KINDS = ['everyone', 'addresses', 'other namespaces', 'its own namespace'] as const;
type Kind = (typeof KINDS)[number];

/** Which kinds a policy allows in each direction, a bit for each: it is kept of every policy of the cluster. */
export type PeerScopes = number;

export function peerScopesOf({ metadata, spec }: NetworkPolicy): PeerScopes {
  let scopes = 0;
  for (const direction of isolates(spec)) {
    for (const { peers } of rulesOf(spec, direction)) {
      const kinds = peers?.map((peer) => kindOf(peer, metadata.namespace ?? '')) ?? (['everyone'] as const);
      for (const kind of kinds) scopes |= bit(direction, kind);
    }
  }
  return scopes;
}

/** In words what of `scopes` widens the profile; undefined if nothing does. */
export function wideningOf({ spec }: SegmentationProfile, scopes: PeerScopes): string | undefined {
  const limit = spec.admission?.tenantPolicies ?? 'Any';
  if (limit === 'Any') return undefined;
  const parts = DIRECTIONS.filter((each) => spec.isolation.includes(each)).flatMap((direction) => {
    const kinds = KINDS.filter(
      (kind) => (scopes & bit(direction, kind)) !== 0 && (limit === 'None' || kind !== 'its own namespace'),
    );
    const word = direction === 'Ingress' ? 'ingress from' : 'egress to';
    return kinds.length > 0 ? [`${word} ${kinds.join(', ')}`] : [];
  });
  return parts.length > 0 ? parts.join('; ') : undefined;
}

function kindOf({ ipBlock, namespaceSelector }: NetworkPolicyPeer, namespace: string): Kind {
  if (ipBlock !== undefined) return 'addresses';
  if (namespaceSelector === undefined) return 'its own namespace';
  const own = namespaceSelector.matchLabels?.[LABEL_NAMESPACE_NAME] === namespace;
  return own ? 'its own namespace' : 'other namespaces';
}

function bit(direction: PolicyType, kind: Kind): number {
  return 1 << (DIRECTIONS.indexOf(direction) * KINDS.length + KINDS.indexOf(kind));
}
