/**
 * STRICT mutual TLS of a namespace: the preflight that lists the rules which it would cut, and the writes. Pure.
 *
 * It is written and removed after all else has changed. While it stands, it stays, also if a new rule has a peer out of the mesh:
 * the connections of such a peer were never encrypted, and the profile asks for both. Such a rule may go by the edit that ends
 * mutual TLS, so removed before the rule, it would let the peer in for a moment (I1).
 */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { PROXY_METRICS_RULE } from '../../policy/baseline.ts';
import type { MeshConfiguration } from '../../policy/mesh.ts';
import { noteText } from '../../policy/notes.ts';
import { isTunnel } from '../../policy/tunnels.ts';
import { updatedMetadata } from '../../policy/planning/updated-metadata.ts';
import { authorizationRules, type Identities } from './authorization.ts';
import type { ObjectStep } from '../object-step.ts';
import { isSame, type OverlayPlanContext } from './overlay.ts';
import { type PeerAuthentication, SECURITY_API_VERSION } from './policy.ts';

/** Connections that no proxy of the mesh receives, so that mutual TLS is not asked of them. */
export interface PastProxies {
  /** The sidecar's own ports. */
  readonly ports: ReadonlySet<string>;
  /** Sources whose connections are not redirected, in CIDR notation. */
  readonly cidrs: ReadonlySet<string>;
  /** Rules for pods that the mesh does not redirect; absent: none. */
  readonly rules?: ReadonlySet<string>;
}

export function pastSidecars({ controlPlanes }: MeshConfiguration): PastProxies {
  const ports = controlPlanes.flatMap(({ metricsPorts }) => metricsPorts.map(String));
  return { ports: new Set(ports), cidrs: new Set() };
}

/** Istio's node agent redirects neither the kubelet's probes, nor pods with a sidecar or gateway, whose metrics these are. */
export function pastZtunnel({ ambient }: MeshConfiguration): PastProxies {
  return { ports: new Set(), cidrs: new Set(ambient.probeCIDRs), rules: new Set([PROXY_METRICS_RULE]) };
}

/** The names of the rules that allow connections from peers without an identity, sorted. */
export function rulesOutOfMesh(
  policies: readonly NetworkPolicy[],
  identities: Identities,
  past: PastProxies,
): string[] {
  // HBONE is mutual TLS.
  const plain = policies.filter((each) => !isTunnel(each));
  const names = plain.flatMap((policy) =>
    authorizationRules(policy, identities).flatMap(({ rule: { from, to }, note }) => {
      const isIdentified =
        from?.every(
          ({ source }) => !('ipBlocks' in source) || source.ipBlocks.every((cidr) => past.cidrs.has(cidr)),
        ) ?? false;
      const isPastProxies = to?.every(({ operation }) =>
        operation.ports.every((port) => past.ports.has(port)),
      );
      if (isIdentified || isPastProxies || past.rules?.has(note?.rule ?? '')) return [];
      return [note === undefined ? policy.metadata.name : noteText(note)];
    }),
  );
  return [...new Set(names)].sort();
}

export interface DesiredMutualTLS {
  /** The default-denies of the profiles that ask for it. */
  readonly denies: readonly NetworkPolicy[];
  /** True if the preflight found nothing. */
  readonly isPossible: boolean;
  /** Profiles whose observed objects stay as they are. */
  readonly kept: ReadonlySet<string>;
}

export interface MutualTLSPlan {
  /** They follow the plan of the NetworkPolicies, and that of the AuthorizationPolicies. */
  readonly steps: readonly ObjectStep[];
  /** `taken`: somebody else's PeerAuthentication of the namespace decides. */
  readonly state: 'off' | 'strict' | 'blocked' | 'taken';
}

/** @param observed all PeerAuthentications of the namespace; of foreign ones the name is enough */
export function planMutualTLS(
  observed: readonly KubeObject[],
  { denies, isPossible, kept }: DesiredMutualTLS,
  { ownerOf }: Pick<OverlayPlanContext, 'ownerOf'>,
): MutualTLSPlan {
  const isForeign = observed.some((each) => ownerOf(each) === undefined);
  const own = observed.filter((each) => {
    const owner = ownerOf(each);
    return owner !== undefined && !kept.has(owner);
  });
  const names = new Set(own.map(({ metadata }) => metadata.name));
  // A namespace needs one object for all profiles: the observed one stays.
  const deny = denies.find(({ metadata }) => names.has(metadata.name)) ?? denies[0];
  const wanted = deny && objectFor(deny);
  const before = own.find(({ metadata }) => metadata.name === wanted?.metadata.name);
  const remove = own
    .filter((each) => each !== before)
    .map((each) => ({ verb: 'delete' as const, before: each }));
  if (wanted === undefined) return { state: 'off', steps: remove };
  // Several of one namespace: the oldest decides.
  if (isForeign) return { state: 'taken', steps: remove };
  if (before === undefined) {
    // Another profile's stays until this one stands.
    if (!isPossible && remove.length === 0) return { state: 'blocked', steps: [] };
    return { state: 'strict', steps: [{ verb: 'create', object: wanted }, ...remove] };
  }
  const metadata = updatedMetadata(before.metadata, wanted.metadata);
  const update = isSame(before, wanted)
    ? []
    : [{ verb: 'update' as const, object: { ...wanted, metadata }, before }];
  return { state: 'strict', steps: [...update, ...remove] };
}

function objectFor({ metadata }: NetworkPolicy): PeerAuthentication {
  const { name, namespace, labels, ownerReferences } = metadata;
  return {
    apiVersion: SECURITY_API_VERSION,
    kind: 'PeerAuthentication',
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(labels && { labels }),
      ...(ownerReferences && { ownerReferences }),
    },
    spec: { mtls: { mode: 'STRICT' } },
  };
}
