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

/** A JSON array with a RuleNote for each rule of a policy, in the order of its rules. */
export const ANNOTATION_RULES = `${GROUP}/rules`;

/**
 * `partial-deny`: the default-deny while one of the profile's directions is postponed; a gate does not accept it.
 * `transition`: a cover or a bridge, which exists only while a plan is carried out.
 */
export type Role = NamedRole | 'partial-deny' | 'transition';

/** A role that is a part of its policies' names. */
export type NamedRole = 'default-deny' | 'ingress' | 'egress';

/** Longest name of a profile, and of a rule, in characters. The CRD enforces both. */
export const MAX_NAME_LENGTH = 63;

/** The name of a profile's policy; with `rule`, of the policy of a single rule. */
export function policyName(profile: string, role: NamedRole, rule?: string): string {
  return rule === undefined ? `${profile}.${role}` : `${profile}.${role}.${rule}`;
}

/** The name of a transition policy; `purpose` is unique within the profile and namespace. */
export function transitionName(profile: string, purpose: string): string {
  return `${profile}.transition.${digest(purpose)}`;
}

/** The name that a policy gets while a foreign policy has `name`; always the same one. */
export function alternativeName(profile: string, name: string): string {
  return `${profile}.alternative.${digest(name)}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
