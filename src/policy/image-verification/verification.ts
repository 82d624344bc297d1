/**
 * Tells for a namespace if something verifies the signatures of the images of its pods. Nothing here verifies a signature:
 * objects of known verifiers are read. Exceptions that a verifier grants, and its own configuration, are not known. Pure.
 */
import type { ProfileSpec } from '../../api/profile.ts';
import type { Claim, ClaimOn, Evidence, PlacedNamespace } from './evidence.ts';
import { coverPlace } from './image-scope.ts';
import { kyvernoClaims } from './kyverno.ts';
import { ratifyClaims } from './ratify.ts';
import { sigstoreClaims } from './sigstore.ts';
import { calledFor } from './webhooks.ts';

export type Verification =
  /** Each image that may run is verified, by these objects. */
  | { readonly kind: 'verified'; readonly by: readonly string[] }
  /** No image has to be verified. The reasons are about objects that seem to be for that. */
  | { readonly kind: 'unverified'; readonly reasons: readonly string[] }
  /** Some images are verified, or it depends on facts that are not known here. */
  | { readonly kind: 'undetermined'; readonly reasons: readonly string[] };

type ImageLimits = NonNullable<ProfileSpec['workloads']>['images'];

/** The effect of a cluster's verifiers in each of its namespaces. */
export function imageVerifiers(evidence: Evidence): readonly ClaimOn[] {
  return [
    ...sigstoreClaims(evidence),
    ...kyvernoClaims(evidence),
    ...ratifyClaims(evidence),
    ...connaisseurClaims(evidence),
  ];
}

/** Connaisseur is configured by a file that no API serves: its webhook is the only evidence. */
function connaisseurClaims(evidence: Evidence): ClaimOn[] {
  const isCalled = calledFor(evidence, /connaisseur/);
  return [
    (namespace) =>
      isCalled(namespace) === 'no'
        ? undefined
        : { kind: 'unclear', by: 'Connaisseur', why: 'its configuration is not known here' },
  ];
}

/** @param limits which images may run in the namespace; any without them */
export function verificationIn(
  namespace: PlacedNamespace,
  verifiers: readonly ClaimOn[],
  limits: ImageLimits,
): Verification {
  const claims = verifiers.flatMap((verifier) => verifier(namespace) ?? []);
  const verifying = claims.filter((claim) => claim.kind === 'verifies');
  const scopes = verifying.map(({ scope }) => scope);
  const { registries = [], exempt = [] } = limits ?? {};
  const places = registries.length === 0 ? [] : [...registries, ...exempt];
  const isCovered =
    scopes.some(({ kind }) => kind === 'all') ||
    (places.length > 0 && places.every((place) => coverPlace(scopes, place)));
  if (isCovered) return { kind: 'verified', by: verifying.map(({ by }) => by) };
  const open = claims.filter(({ kind }) => kind !== 'ineffective');
  return open.length > 0
    ? { kind: 'undetermined', reasons: open.map(reasonOf) }
    : { kind: 'unverified', reasons: claims.map(reasonOf) };
}

function reasonOf(claim: Claim): string {
  if (claim.kind !== 'verifies') return `${claim.by}: ${claim.why}`;
  const { scope, by } = claim;
  return `${by}: it is for ${scope.kind === 'all' ? 'all images' : `images ${scope.text} only`}`;
}
