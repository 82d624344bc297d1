/**
 * The overlay of a namespace while no mesh is found, so that no identities are known: its objects stay as they are, until
 * nobody asks for it any more or a profile leaves the namespace, which may wait for its objects to be deleted. A plan that was
 * half carried out is completed. Pure.
 *
 * The objects of other profiles may be older than their NetworkPolicies, and the leaving profile alone may have allowed what
 * these allow too. So where a profile leaves an overlay on sidecars that others ask for, their peers are told by ports and
 * addresses alone (I2). A tunnel has no such form: without identities it would be open to everybody. There, no more is deleted
 * than what has to be.
 */
import type { KubeObject } from '../../api/meta.ts';
import { LABEL_PROFILE } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { isTunnelDeny } from '../../engines/istio/ambient/objects.ts';
import type { Identities } from '../../engines/istio/authorization.ts';
import { type MutualTLSPlan, planMutualTLS } from '../../engines/istio/mutual-tls.ts';
import {
  type AuthorizationMode,
  modeOfDeny,
  type OverlayPlan,
  planAuthorization,
  planOverlay,
} from '../../engines/istio/overlay.ts';
import { isTransition } from '../../engines/istio/transition.ts';
import { isTunnel } from '../../policy/tunnels.ts';
import type { DesiredOverlay } from '../mesh-support.ts';

/** The objects of one kind in a namespace, and the profiles that own them. */
export interface OwnedObjects {
  readonly objects: readonly KubeObject[];
  readonly ownerOf: (object: KubeObject) => string | undefined;
}

export interface OverlayPlans {
  readonly access: OverlayPlan;
  readonly tls: MutualTLSPlan;
  /** True if profiles go on to have an overlay. */
  readonly stays: boolean;
}

const NO_IDENTITIES: Identities = { trustDomain: undefined, isInMesh: () => false };

/**
 * @param isDenyOfAny true for a default-deny of one of these profiles
 * @returns undefined if everything stays as it is
 */
export function planWithoutMesh(
  authorization: OwnedObjects,
  authentication: OwnedObjects,
  desired: DesiredOverlay,
  isDenyOfAny: (policy: NetworkPolicy, profiles: ReadonlySet<string>) => boolean,
): OverlayPlans | undefined {
  const { policies, profiles, kept, excepting } = desired;
  const wanting = new Set([
    ...kept,
    ...policies.map(({ metadata }) => metadata.labels?.[LABEL_PROFILE] ?? ''),
  ]);
  const owners = new Set([...ownersOf(authorization), ...ownersOf(authentication)]);
  const staying = owners.intersection(wanting);
  const isHalfDone = authorization.objects.some(
    (each) => isTransition(each) && !kept.has(authorization.ownerOf(each) ?? ''),
  );
  if (profiles.length > 0 && staying.size === owners.size && !isHalfDone) return undefined;
  const modes = standingModes(authorization, profiles);
  const context = { ownerOf: authorization.ownerOf, meshWide: 'unknown' } as const;
  const strict = new Set(profiles.filter(isStrict).map(({ metadata }) => metadata.name));
  const denies = policies.filter((each) => isDenyOfAny(each, strict));
  return {
    access: hasTunnelObjects(authorization)
      ? planOverlay(authorization.objects, { policies: [], kept: modes.size > 0 ? staying : kept }, context)
      : planAuthorization(
          authorization.objects,
          { policies, modes, kept, excepting },
          { ...context, identities: NO_IDENTITIES },
        ),
    tls: planMutualTLS(authentication.objects, { denies, isPossible: false, kept }, authentication),
    stays: modes.size > 0,
  };
}

function ownersOf({ objects, ownerOf }: OwnedObjects): string[] {
  return objects.flatMap((each) => ownerOf(each) ?? []);
}

/** The modes of the profiles that ask for authorization and have it: without a mesh it begins for none, and becomes no stricter. */
function standingModes(
  { objects, ownerOf }: OwnedObjects,
  profiles: readonly SegmentationProfile[],
): ReadonlyMap<string, AuthorizationMode> {
  return new Map(
    profiles.flatMap(({ metadata: { name }, spec }): [string, AuthorizationMode][] => {
      const asked = spec.mesh?.authorization ?? 'Disabled';
      const standing = objects
        .filter((each) => ownerOf(each) === name)
        .flatMap((each) => modeOfDeny(each) ?? []);
      if (asked === 'Disabled' || standing.length === 0) return [];
      return [[name, asked === 'Enforce' && standing.includes('Enforce') ? 'Enforce' : 'Audit']];
    }),
  );
}

/** True if own objects restrict the tunnel of ambient mode. */
export function hasTunnelObjects({ objects, ownerOf }: OwnedObjects): boolean {
  return objects.some((each) => ownerOf(each) !== undefined && (isTunnel(each) || isTunnelDeny(each)));
}

export function isStrict({ spec }: SegmentationProfile): boolean {
  return spec.mesh?.mtls === 'Strict';
}
