/**
 * The names, labels and annotations that this project writes. The CRD bounds the names of profiles and rules, so that
 * they are valid as the values of labels. A name that is too long for an object is shortened with a digest of the whole,
 * so that no two names become one. Pure.
 */
import { createHash } from 'node:crypto';

export const GROUP = 'segmentation.dev';
export const VERSION = 'v1alpha1';
export const KIND = 'SegmentationProfile';
export const PLURAL = 'segmentationprofiles';
export const API_VERSION = `${GROUP}/${VERSION}`;
export const EXCEPTION_KIND = 'SegmentationException';
export const EXCEPTION_PLURAL = 'segmentationexceptions';

/** `app.kubernetes.io/managed-by`, and the field manager of every write. */
export const MANAGER = 'segmentation-operator';
/** The field manager of Pod Security labels: what it owns, and nothing else, is the operator's. config/pod-security knows it. */
export const POD_SECURITY_MANAGER = 'segmentation-operator-pod-security';
export const FINALIZER = `${GROUP}/finalizer`;

export const LABEL_MANAGED_BY = 'app.kubernetes.io/managed-by';
export const LABEL_PROFILE = `${GROUP}/profile`;
export const LABEL_ROLE = `${GROUP}/role`;
export const LABEL_RULE = `${GROUP}/rule`;
/** Tells the policies of a connection apart that has several ends in one namespace and direction. */
export const LABEL_END = `${GROUP}/end`;
/** Names the SegmentationException that a policy was written for. */
export const LABEL_EXCEPTION = `${GROUP}/exception`;
/** The labels of a generated policy. */
export const OWN_LABELS = [
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  LABEL_RULE,
  LABEL_END,
  LABEL_EXCEPTION,
] as const;
/** Set by the API server on every pod of some namespaces, to the name of its account (config/service-accounts). */
export const LABEL_SERVICE_ACCOUNT = `${GROUP}/service-account`;
/** Set by the API server on every namespace to its own name, and not changeable (KEP-2161). */
export const LABEL_NAMESPACE_NAME = 'kubernetes.io/metadata.name';

/** Labels by which a Namespace asks for Pod Security levels (KEP-2579). */
export const POD_SECURITY_PREFIX = 'pod-security.kubernetes.io/';
/** The value of a version label that stands for the API server's own version. */
export const LATEST_VERSION = 'latest';

/** A JSON array with a RuleNote for each rule of a policy, in the order of its rules. */
export const ANNOTATION_RULES = `${GROUP}/rules`;
/** Digests of the spec and of the rules of an object whose kind has a definition of its own, with commas between. */
export const ANNOTATION_DIGESTS = `${GROUP}/digests`;

/** `REVISION/WAVE` on a profile: the rollout of this revision does not wait for this wave; `REVISION/*`: for none. */
export const ANNOTATION_PROMOTE = `${GROUP}/rollout-promote`;
/** `REVISION` on a profile: the rollout of this revision, which has failed, begins again. */
export const ANNOTATION_RETRY = `${GROUP}/rollout-retry`;

/**
 * `exception`: a policy of a SegmentationException.
 * `guard`: the outer boundary of a profile, in a policy of another kind.
 * `partial-deny`: the default-deny while one of the profile's directions is postponed; a gate does not accept it.
 * `transition`: a cover or a bridge, which exists only while a plan is carried out.
 */
export type Role = NamedRole | 'exception' | 'guard' | 'partial-deny' | 'transition';

/** A role that is a part of its policies' names. */
export type NamedRole = 'default-deny' | 'ingress' | 'egress';

/** Longest name of a profile, and of a rule, in characters. The CRD enforces both. */
export const MAX_NAME_LENGTH = 63;

/** Longest name of a generated policy, in characters. Some engines do not enforce policies with longer names. */
export const MAX_POLICY_NAME_LENGTH = 63;

/** The name of a profile's policy; with `rule`, of the policy of a single rule; with `end`, of one of its ends. */
export function policyName(profile: string, role: NamedRole, rule?: string, end?: string): string {
  return generatedName(profile, role, end === undefined ? rule : `${rule}.${end}`);
}

/** The name of the profile that stands for an exception while its rules are compiled. */
export const EXCEPTION_STAND_IN = 'exception';

/** The name of an exception's policy. @param compiled its name as a policy of the profile EXCEPTION_STAND_IN */
export function exceptionPolicyName(profile: string, exception: string, compiled: string): string {
  return generatedName(profile, 'exception', `${exception}${compiled.slice(EXCEPTION_STAND_IN.length)}`);
}

/** The name of a profile's guard. */
export function guardName(profile: string): string {
  return generatedName(profile, 'guard');
}

/** The value of LABEL_END for an end of a connection, by a text that tells it from the other ends. */
export function endLabel(end: string): string {
  return digest(end).slice(0, SHORT_DIGEST_LENGTH);
}

/** The name of a transition policy; `purpose` is unique within the profile and namespace. */
export function transitionName(profile: string, purpose: string): string {
  return generatedName(profile, 'transition', digest(purpose));
}

/** The name that a policy gets while a foreign policy has `name`; always the same one. */
export function alternativeName(profile: string, name: string): string {
  return generatedName(profile, 'alternative', digest(name));
}

/**
 * `PROFILE.ROLE.SUFFIX`. If that is too long: the beginnings of profile and suffix, with a digest of the whole behind the
 * role, where no name that is short enough has one: `PROFIL.ROLE-0123456789.SUFF`. config/fence knows this form too.
 */
function generatedName(profile: string, role: string, suffix?: string): string {
  const tail = suffix === undefined ? '' : `.${suffix}`;
  const name = `${profile}.${role}${tail}`;
  if (name.length <= MAX_POLICY_NAME_LENGTH) return name;
  const marked = `.${role}-${digest(name).slice(0, SHORT_DIGEST_LENGTH)}`;
  const room = MAX_POLICY_NAME_LENGTH - marked.length;
  const half = Math.floor(room / 2);
  // A part that is shorter than its half leaves the rest to the other part.
  const forProfile = Math.max(half, room - tail.length);
  const forTail = room - Math.min(profile.length, forProfile);
  return `${beginning(profile, forProfile)}${marked}${beginning(tail, forTail)}`;
}

const SHORT_DIGEST_LENGTH = 10;

/** The first `length` characters, without a dash or dot at the end, where names must not have one. */
function beginning(text: string, length: number): string {
  return text.slice(0, length).replace(/[-.]+$/, '');
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
