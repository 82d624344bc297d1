/**
 * AuthorizationPolicy and PeerAuthentication (security.istio.io/v1), as far as they are written: only shapes whose meaning is
 * plain. A source without a term, an empty list of sources and a denying action have no type here: to Istio, the first two mean
 * everyone. `serviceAccounts` has none either, as CRDs before Istio 1.25 prune it and leave a source that is everyone. Pure.
 */
import type { ObjectMeta, StringMap } from '../../api/meta.ts';

export const SECURITY_API_VERSION = 'security.istio.io/v1';

export type AtLeastOne<T> = readonly [T, ...T[]];

/**
 * `principals` and `namespaces` match only connections by mutual TLS, and `notPrincipals: ['*']` all others. `ipBlocks` match
 * the address of the connection.
 */
export type Source =
  | { readonly notPrincipals: readonly ['*'] }
  | { readonly namespaces: AtLeastOne<string> }
  | { readonly principals: AtLeastOne<string> }
  | { readonly ipBlocks: AtLeastOne<string>; readonly notIpBlocks?: AtLeastOne<string> };

/** Absent `from`: everyone. Absent `to`: every port. */
export interface AuthorizationRule {
  readonly from?: AtLeastOne<{ readonly source: Source }>;
  readonly to?: AtLeastOne<{ readonly operation: { readonly ports: AtLeastOne<string> } }>;
}

/** The API server stores it as it is. Without rules nothing is allowed. */
export type AuthorizationSpec =
  | Readonly<Record<string, never>>
  /** Allows nothing by itself. */
  | { readonly action: 'ALLOW'; readonly selector?: { readonly matchLabels: StringMap } }
  | {
      readonly action: 'ALLOW';
      /** Absent: all workloads of the namespace. */
      readonly selector?: { readonly matchLabels: StringMap };
      readonly rules: AtLeastOne<AuthorizationRule>;
    };

export interface AuthorizationPolicy {
  readonly apiVersion: typeof SECURITY_API_VERSION;
  readonly kind: 'AuthorizationPolicy';
  readonly metadata: ObjectMeta;
  readonly spec: AuthorizationSpec;
}

export interface PeerAuthentication {
  readonly apiVersion: typeof SECURITY_API_VERSION;
  readonly kind: 'PeerAuthentication';
  readonly metadata: ObjectMeta;
  readonly spec: { readonly mtls: { readonly mode: 'STRICT' } };
}

/** With the value "true", a policy is judged, recorded, and enforces nothing. */
export const ANNOTATION_DRY_RUN = 'istio.io/dry-run';

/** Bounds of the CRD. */
export const MAX_ITEMS = 512;
