/**
 * segmentation.dev/v1alpha1 SegmentationProfile, as the API server hands it out: validated, its defaults filled
 * in. The shape is generated from crds/, so that a name here which the CRD does not have is a type error.
 */
import type * as generated from './generated/segmentation-profile.ts';
import type { KubeObject } from './meta.ts';

export type {
  Allowance,
  DeletionPolicy,
  Entity,
  GuardMode,
  Mode,
  PeerKind,
} from './generated/segmentation-profile.ts';

/** Objects of the API server are never changed in place. */
export type ReadonlyDeep<T> = T extends readonly (infer Item)[]
  ? readonly ReadonlyDeep<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: ReadonlyDeep<T[Key]> }
    : T;

/** A peer of exactly one kind; podSelector may stand beside a field that names namespaces. The CRD enforces it. */
export type Peer = ReadonlyDeep<generated.Peer>;
export type IngressRule = ReadonlyDeep<generated.IngressRule>;
export type EgressRule = ReadonlyDeep<generated.EgressRule>;
export type Connection = ReadonlyDeep<generated.Connection>;
/** The selected namespaces in which a rule is written: exactly one of names and selector. The CRD enforces it. */
export type NamespaceScope = ReadonlyDeep<generated.NamespaceScope>;
/** The grant for SegmentationExceptions. */
export type ExceptionGrant = ReadonlyDeep<generated.ExceptionGrant>;
export type Baseline = ReadonlyDeep<generated.Baseline>;
export type ProfileSpec = ReadonlyDeep<generated.SegmentationProfileSpec>;
export type ProfileFailure = ReadonlyDeep<generated.Failure>;
export type WideningPolicy = ReadonlyDeep<generated.WideningPolicy>;
export type RestrictedPolicy = ReadonlyDeep<generated.RestrictedPolicy>;
export type WorkloadFindings = ReadonlyDeep<generated.WorkloadFindings>;
export type ProfileStatus = ReadonlyDeep<generated.SegmentationProfileStatus>;

export interface SegmentationProfile extends KubeObject {
  readonly spec: ProfileSpec;
  readonly status?: ProfileStatus;
}
