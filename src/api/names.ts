/**
 * The names, labels and annotations that this project puts on objects. Nothing is ever truncated: the CRD bounds
 * the names of profiles and rules so that every name and label value made of them is valid.
 */
import { createHash } from 'node:crypto';

export const GROUP = 'segmentation.dev';
export const VERSION = 'v1alpha1';
export const KIND = 'SegmentationProfile';
export const PLURAL = 'segmentationprofiles';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** `app.kubernetes.io/managed-by`, and the field manager of every write. */
export const MANAGER = 'segmentation-operator';
export const FINALIZER = `${GROUP}/finalizer`;

export const LABEL_MANAGED_BY = 'app.kubernetes.io/managed-by';
export const LABEL_PROFILE = `${GROUP}/profile`;
export const LABEL_ROLE = `${GROUP}/role`;
export const LABEL_RULE = `${GROUP}/rule`;
/** Set by the API server on every pod of some namespaces, to the name of its account (config/service-accounts). */
export const LABEL_SERVICE_ACCOUNT = `${GROUP}/service-account`;
/** Set by the API server on every namespace to its own name, and not changeable (KEP-2161). */
export const LABEL_NAMESPACE_NAME = 'kubernetes.io/metadata.name';

/** What each rule of an object is for, in the order of the object's rules: a JSON array of RuleNote. */
export const ANNOTATION_RULES = `${GROUP}/rules`;

/**
 * `partial-deny`: the default-deny of a profile that does not begin with one of its directions yet; a gate does not
 * take it for the whole.
 * `transition`: an object that exists only while several others are written, so that no flow is cut meanwhile
 * (an allow-all, or the coming form of an object whose pod selector changes).
 */
export type Role = NamedRole | 'partial-deny' | 'transition';

/** A role that names its objects. */
export type NamedRole = 'default-deny' | 'ingress' | 'egress';

/** Longest name of a profile, and of a rule, in characters. The CRD enforces both. */
export const MAX_NAME_LENGTH = 63;

/** The object name of a profile's policy; `rule` for a rule that has its own object. */
export function policyName(profile: string, role: NamedRole, rule?: string): string {
  return rule === undefined ? `${profile}.${role}` : `${profile}.${role}.${rule}`;
}

/** The name of a short-lived object; `purpose` is unique within the profile and namespace. */
export function transitionName(profile: string, purpose: string): string {
  return `${profile}.transition.${digest(purpose)}`;
}

/** The name that is used while `name` is taken by somebody else's object: the same for the same name, always. */
export function alternativeName(profile: string, name: string): string {
  return `${profile}.alternative.${digest(name)}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
