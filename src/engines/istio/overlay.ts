/**
 * The writes that lead from the observed AuthorizationPolicies of a namespace to those for its desired NetworkPolicies. Pure.
 *
 * A connection passes if the NetworkPolicies allow it, and the overlay does. The overlay of a namespace is made from all of its
 * desired NetworkPolicies for ingress, whichever profile they are of, so it allows what they allow. `widen` comes before the plan of
 * the NetworkPolicies, and `narrow` after it. At every prefix of the three together,
 *   I1 never wider: the NetworkPolicies hold, and the overlay allows what it allowed before or is to allow;
 *   I2 never cut:   the overlay allows what the observed and what the desired NetworkPolicies allow.
 * The first policy that selects a workload isolates it. So a cover, which allows everything, stands while the overlay begins or
 * ends: created first, deleted last.
 */
import type { KubeObject, ObjectMeta } from '../../api/meta.ts';
import {
  alternativeName,
  ANNOTATION_DIGESTS,
  ANNOTATION_RULES,
  LABEL_EXCEPTION,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  MANAGER,
  OWN_LABELS,
  transitionName,
} from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { formatNotes } from '../../policy/notes.ts';
import { isTunnel } from '../../policy/tunnels.ts';
import { updatedMetadata } from '../../policy/planning/updated-metadata.ts';
import { isolates, isProfileReference } from '../../policy/semantics/normalize.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import type { ObjectStep } from '../object-step.ts';
import { withDigests, writtenRules } from '../digests.ts';
import { isOverlayCover, isTunnelDeny } from './ambient/objects.ts';
import {
  authorizationRules,
  type Identities,
  matchLabelsOf,
  type NotedAuthorization,
} from './authorization.ts';
import {
  ANNOTATION_DRY_RUN,
  type AuthorizationPolicy,
  type AuthorizationRule,
  type AuthorizationSpec,
  SECURITY_API_VERSION,
} from './policy.ts';

export type AuthorizationMode = 'Enforce' | 'Audit';

export interface DesiredAuthorization {
  /** The desired NetworkPolicies of the namespace that isolate ingress, with the observed ones that stay as they are. */
  readonly policies: readonly NetworkPolicy[];
  /** The profiles that ask for authorization, by name. Without any, no overlay is wanted. */
  readonly modes: ReadonlyMap<string, AuthorizationMode>;
  /** Profiles whose observed objects stay as they are, as long as there is an overlay. */
  readonly kept: ReadonlySet<string>;
  /** The profiles among `kept` whose exceptions begin and end all the same. */
  readonly excepting?: ReadonlySet<string>;
}

/**
 * `narrow` follows a new plan, made once `widen` and the plan of the NetworkPolicies are carried out: it deletes the cover that `widen`
 * has created.
 */
export interface OverlayPlan {
  readonly widen: readonly ObjectStep[];
  readonly narrow: readonly ObjectStep[];
}

export interface OverlayPlanContext {
  readonly identities: Identities;
  /** The profile that owns an observed object; undefined for a foreign one. */
  readonly ownerOf: (object: KubeObject) => string | undefined;
}

/** @param observed all AuthorizationPolicies of the namespace; of foreign ones the name is enough */
export function planAuthorization(
  observed: readonly KubeObject[],
  desired: DesiredAuthorization,
  { identities, ownerOf }: OverlayPlanContext,
): OverlayPlan {
  const { kept, excepting } = desired;
  const keptMode = modeOfKept(observed, kept, ownerOf);
  const policies = authorizationPolicies({ ...desired, keptMode }, identities);
  return planOverlay(observed, { policies, kept, ...(excepting && { excepting }) }, { ownerOf });
}

export interface DesiredOverlayObjects {
  readonly policies: readonly AuthorizationPolicy[];
  /** Profiles whose observed objects stay as they are. */
  readonly kept: ReadonlySet<string>;
  /** The profiles among `kept` whose observed objects of exceptions do not stay. */
  readonly excepting?: ReadonlySet<string>;
}

/** Like `planAuthorization`, for policies that are made already. */
export function planOverlay(
  observed: readonly KubeObject[],
  { policies, kept, excepting = new Set() }: DesiredOverlayObjects,
  { ownerOf }: Pick<OverlayPlanContext, 'ownerOf'>,
): OverlayPlan {
  const isKept = observed.some((each) => isKeptDeny(each, kept, ownerOf));
  const stays = isKept || policies.some(isEnforcedDeny);
  const own = new Map<string, KubeObject>();
  const taken = new Set<string>();
  const keptNames = new Set<string>();
  for (const object of observed) {
    const { name } = object.metadata;
    const owner = ownerOf(object);
    const isEnding = owner !== undefined && excepting.has(owner) && isOfException(object);
    if (owner !== undefined && kept.has(owner) && !isEnding && canStay(object, stays)) keptNames.add(name);
    else if (owner !== undefined) own.set(name, object);
    if (!own.has(name)) taken.add(name);
  }
  const wanted = policies
    .filter((policy) => !kept.has(ownerOf(policy) ?? '') || !keptNames.has(policy.metadata.name))
    .map((policy) => withFreeName(policy, taken));
  // A permit of a tunnel without the policy that restricts is what somebody else has left of an overlay.
  const begins = isKept || [...own.values()].some((each) => isEnforcedDeny(each) || isTunnel(each));
  const steps = planObjects(own, wanted);
  const covers = [...own.values()].filter(isOverlayCover);
  const source = wanted[0] ?? [...own.values()][0];
  if (source === undefined || (begins === stays && covers.length === 0)) return steps;
  const object = withFreeName(coverFor(source), taken);
  return {
    widen: covers.length > 0 ? steps.widen : [{ verb: 'create', object }, ...steps.widen],
    narrow: [...steps.narrow, ...covers.map((before) => ({ verb: 'delete' as const, before }))],
  };
}

/**
 * The AuthorizationPolicies for the desired NetworkPolicies, as they are created.
 *
 * @param desired `keptMode`: the mode of a default-deny that stays as it is, if there is one
 */
export function authorizationPolicies(
  {
    policies,
    modes,
    keptMode,
  }: Pick<DesiredAuthorization, 'policies' | 'modes'> & { readonly keptMode?: AuthorizationMode | undefined },
  identities: Identities,
): AuthorizationPolicy[] {
  const isEnforced =
    keptMode === 'Enforce' || policies.some((policy) => isDenyOf(policy, modes) === 'Enforce');
  const denies = policies.flatMap((policy) => {
    const mode = isDenyOf(policy, modes);
    return mode === undefined
      ? []
      : [objectOf(policy.metadata, { spec: {}, isEnforced: mode === 'Enforce' })];
  });
  if (denies.length === 0 && keptMode === undefined) return [];
  const allows = policies.flatMap((policy) => {
    const [first, ...more] = distinct(authorizationRules(policy, identities));
    if (first === undefined) return [];
    const matchLabels = matchLabelsOf(policy.spec.podSelector ?? {});
    const spec: AuthorizationSpec = {
      action: 'ALLOW',
      ...(matchLabels && { selector: { matchLabels } }),
      rules: [first.rule, ...more.map(({ rule }) => rule)],
    };
    const notes = formatNotes([first, ...more].map(({ note }) => note));
    return [objectOf(policy.metadata, { spec, isEnforced, notes })];
  });
  return [...denies, ...allows];
}

/** The mode of the profile that a default-deny is of, if it asks for authorization. */
function isDenyOf(
  { metadata, spec }: NetworkPolicy,
  modes: DesiredAuthorization['modes'],
): AuthorizationMode | undefined {
  const { labels = {} } = metadata;
  const isDeny = (spec.ingress ?? []).length === 0 && isolates(spec).includes('Ingress');
  const role = labels[LABEL_ROLE] ?? '';
  return isDeny && (role === 'default-deny' || role === 'partial-deny')
    ? modes.get(labels[LABEL_PROFILE] ?? '')
    : undefined;
}

function objectOf(
  { name, namespace, labels, ownerReferences }: ObjectMeta,
  { spec, isEnforced, notes }: { spec: AuthorizationSpec; isEnforced: boolean; notes?: string },
): AuthorizationPolicy {
  const annotations = {
    ...(notes !== undefined && { [ANNOTATION_RULES]: notes }),
    ...(!isEnforced && { [ANNOTATION_DRY_RUN]: 'true' }),
  };
  return {
    apiVersion: SECURITY_API_VERSION,
    kind: 'AuthorizationPolicy',
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(labels && { labels }),
      ...(Object.keys(annotations).length > 0 && { annotations }),
      ...(ownerReferences && { ownerReferences }),
    },
    spec,
  };
}

/** Creates and unions before, final forms and deletions after. */
function planObjects(
  own: ReadonlyMap<string, KubeObject>,
  wanted: readonly AuthorizationPolicy[],
): OverlayPlan {
  const widen: ObjectStep[] = [];
  const narrow: ObjectStep[] = [];
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  for (const policy of wanted) {
    const before = own.get(policy.metadata.name);
    if (before === undefined) {
      widen.push({ verb: 'create', object: digested(policy) });
      continue;
    }
    const final = updated(policy, before);
    if (isSame(before, final)) continue;
    const union = unionOf(before, policy);
    const isUnion = union === undefined || canonicalJSON(union) === canonicalJSON(policy.spec);
    // The object that loses rules, or turns from a dry run's into an enforced one, or back, under a cover.
    if (isUnion) widen.push({ verb: 'update', object: final, before });
    else {
      if (canonicalJSON(union) !== canonicalJSON((before as Partial<AuthorizationPolicy>).spec))
        widen.push({ verb: 'update', object: updated({ ...policy, spec: union }, before), before });
      narrow.push({ verb: 'update', object: final, before });
    }
  }
  for (const [name, before] of own)
    if (!names.has(name) && !isOverlayCover(before)) narrow.push({ verb: 'delete', before });
  return { widen, narrow };
}

/**
 * A form that allows what both forms allow, or more, by the observed rules that are as they were written; undefined if these allow
 * nothing that could be cut.
 */
function unionOf(before: KubeObject, { spec }: AuthorizationPolicy): AuthorizationSpec | undefined {
  const observed =
    (before as { spec?: { selector?: unknown; rules?: readonly AuthorizationRule[] } }).spec ?? {};
  const { selector } = observed;
  const isWritten = writtenRules(before) ?? (() => true);
  const rules = (observed.rules ?? []).filter((rule) => isWritten({ frame: selector ?? null, rule }));
  if (rules.length === 0 || isDryRun(before)) return undefined;
  const own = 'rules' in spec ? spec.rules : [];
  const [first, ...more] = distinct([...rules, ...own].map((rule) => ({ rule, note: undefined })));
  if (first === undefined) return undefined;
  const isSameSelector =
    'rules' in spec && canonicalJSON(selector ?? null) === canonicalJSON(spec.selector ?? null);
  return {
    action: 'ALLOW',
    ...(isSameSelector && 'rules' in spec && spec.selector && { selector: spec.selector }),
    rules: [first.rule, ...more.map(({ rule }) => rule)],
  };
}

/** Rules by what they allow, in an order of their own: an object with the same rules is the same. */
function distinct(rules: readonly NotedAuthorization[]): NotedAuthorization[] {
  const byText = new Map(rules.map((each) => [canonicalJSON(each.rule), each]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** Allows everything in the namespace, for the profile that the object is of. */
function coverFor({ metadata }: KubeObject): AuthorizationPolicy {
  const { namespace, labels = {}, ownerReferences } = metadata;
  const profile = labels[LABEL_PROFILE] ?? '';
  return {
    apiVersion: SECURITY_API_VERSION,
    kind: 'AuthorizationPolicy',
    metadata: {
      name: transitionName(profile, 'mesh'),
      ...(namespace !== undefined && { namespace }),
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: profile, [LABEL_ROLE]: 'transition' },
      ...(ownerReferences && { ownerReferences }),
    },
    spec: { action: 'ALLOW', rules: [{}] },
  };
}

function isDryRun({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[ANNOTATION_DRY_RUN] === 'true';
}

function isOfException({ metadata }: KubeObject): boolean {
  return metadata.labels?.[LABEL_EXCEPTION] !== undefined;
}

/** True if the object denies all connections of the namespace that no other one allows. */
function isEnforcedDeny(object: KubeObject): boolean {
  return isDeny(object) && !isDryRun(object);
}

/** The mode of an observed default-deny; undefined for another object. */
export function modeOfDeny(object: KubeObject): AuthorizationMode | undefined {
  if (!isDeny(object)) return undefined;
  return isDryRun(object) ? 'Audit' : 'Enforce';
}

function isDeny(object: KubeObject & { readonly spec?: unknown }): boolean {
  return canonicalJSON(object.spec ?? {}) === '{}' || isTunnelDeny(object);
}

function isKeptDeny(
  object: KubeObject,
  kept: ReadonlySet<string>,
  ownerOf: OverlayPlanContext['ownerOf'],
): boolean {
  const owner = ownerOf(object);
  return owner !== undefined && kept.has(owner) && isEnforcedDeny(object);
}

/**
 * False for an object that allows, and whose effect would be another than before: one that is enforced isolates pods also without a
 * default-deny, and one of a dry run allows nothing beside an enforced default-deny.
 */
function canStay(object: KubeObject, isEnforced: boolean): boolean {
  return isDeny(object) || isTunnel(object) || isDryRun(object) !== isEnforced;
}

/** The mode of a kept default-deny; undefined if there is none. */
function modeOfKept(
  observed: readonly KubeObject[],
  kept: ReadonlySet<string>,
  ownerOf: OverlayPlanContext['ownerOf'],
): AuthorizationMode | undefined {
  if (observed.some((each) => isKeptDeny(each, kept, ownerOf))) return 'Enforce';
  const isAudited = observed.some((each) => isDeny(each) && isDryRun(each) && kept.has(ownerOf(each) ?? ''));
  return isAudited ? 'Audit' : undefined;
}

/** The object under its name or, if that is taken, its first free alternative name; always the same one. */
function withFreeName(policy: AuthorizationPolicy, taken: ReadonlySet<string>): AuthorizationPolicy {
  let { name } = policy.metadata;
  while (taken.has(name)) name = alternativeName(policy.metadata.labels?.[LABEL_PROFILE] ?? '', name);
  return { ...policy, metadata: { ...policy.metadata, name } };
}

/** The desired form of an observed object, with the labels, annotations and owners of others. */
function updated(unmarked: AuthorizationPolicy, before: KubeObject): AuthorizationPolicy {
  const policy = digested(unmarked);
  const metadata = updatedMetadata(before.metadata, policy.metadata);
  const { [ANNOTATION_DRY_RUN]: _, ...annotations } = metadata.annotations ?? {};
  const dryRun = policy.metadata.annotations?.[ANNOTATION_DRY_RUN];
  const own = { ...annotations, ...(dryRun !== undefined && { [ANNOTATION_DRY_RUN]: dryRun }) };
  return { ...policy, metadata: { ...metadata, annotations: own } };
}

function digested(policy: AuthorizationPolicy): AuthorizationPolicy {
  const { spec } = policy;
  const rules = 'rules' in spec ? spec.rules : [];
  return withDigests(
    policy,
    rules.map((rule) => ({ frame: spec.selector ?? null, rule })),
  );
}

/** True if spec, own labels, own annotations and own ownerReferences are equal. */
export function isSame(before: KubeObject, wanted: KubeObject): boolean {
  return ownParts(before) === ownParts(wanted);
}

function ownParts({ metadata, spec }: KubeObject & { readonly spec?: unknown }): string {
  const { labels = {}, annotations = {}, ownerReferences = [] } = metadata;
  return canonicalJSON([
    spec ?? {},
    OWN_LABELS.map((key) => labels[key] ?? null),
    [ANNOTATION_RULES, ANNOTATION_DIGESTS, ANNOTATION_DRY_RUN].map((key) => annotations[key] ?? null),
    ownerReferences.filter(isProfileReference).map(({ uid, name }) => `${uid} ${name}`),
  ]);
}
