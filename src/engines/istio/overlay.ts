/**
 * The writes that lead from the observed AuthorizationPolicies of a namespace to those for its desired NetworkPolicies. Pure.
 *
 * A connection passes if the NetworkPolicies allow it, and the overlay does. The overlay of a namespace is made from all of its
 * desired NetworkPolicies for ingress, whichever profile they are of, so it allows what they allow. It changes after them:
 * `widen` and then `narrow`, which waits as long as NetworkPolicies stay that are to go. (For a tunnel, `widen` comes before
 * them: they open it once that is accepted.) At every prefix of the three together,
 *   I1 never wider: first the overlay before holds, also against what somebody has opened by hand; then the NetworkPolicies;
 *   I2 never cut:   the overlay allows all that it allowed before and goes on to allow.
 * An overlay may be coarser than its NetworkPolicies, so it begins once they are in place, within `narrow`. The first policy that
 * selects a pod isolates it: transition policies (`transition.ts`) stand meanwhile.
 */
import type { KubeObject, ObjectMeta } from '../../api/meta.ts';
import {
  alternativeName,
  ANNOTATION_DIGESTS,
  ANNOTATION_RULES,
  LABEL_PROFILE,
  LABEL_ROLE,
  OWN_LABELS,
} from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { formatNotes } from '../../policy/notes.ts';
import { isolatesAll } from '../../policy/planning/effect.ts';
import { updatedMetadata } from '../../policy/planning/updated-metadata.ts';
import { exceptionNameOf } from '../../policy/ownership.ts';
import { isolates, isOwnReference } from '../../policy/semantics/normalize.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import type { ObjectStep } from '../object-step.ts';
import { withDigests } from '../digests.ts';
import { isTunnelDeny } from './ambient/objects.ts';
import { authorizationRules, type Identities, matchLabelsOf } from './authorization.ts';
import { formOf, type Isolation, isolationOf } from './isolation.ts';
import {
  ANNOTATION_DRY_RUN,
  type AuthorizationPolicy,
  type AuthorizationRule,
  type AuthorizationSpec,
  MAX_ITEMS,
  SECURITY_API_VERSION,
} from './policy.ts';
import {
  bridgeFor,
  compareLives,
  distinctBy,
  distinctRules,
  isOverlayCover,
  isTransition,
  type OwnerOf,
  transitionPolicies,
} from './transition.ts';

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

/** `narrow` follows `widen`. */
export interface OverlayPlan {
  readonly widen: readonly ObjectStep[];
  readonly narrow: readonly ObjectStep[];
}

export interface OverlayContext {
  readonly ownerOf: OwnerOf;
  /** The form that an object takes before it is deleted; undefined once it may be. Absent: objects are deleted at once. */
  readonly emptied?: (object: KubeObject) => AuthorizationPolicy | undefined;
  /** The AuthorizationPolicies for the pods of all namespaces. `unknown`: they may isolate any pod. */
  readonly meshWide: readonly KubeObject[] | 'unknown';
}

export interface OverlayPlanContext extends OverlayContext {
  readonly identities: Identities;
}

/** @param observed all AuthorizationPolicies of the namespace; of foreign ones the part that `isolationPart` keeps is enough */
export function planAuthorization(
  observed: readonly KubeObject[],
  desired: DesiredAuthorization,
  { identities, ...context }: OverlayPlanContext,
): OverlayPlan {
  const { kept, excepting } = desired;
  const keptMode = modeOfKept(observed, kept, context.ownerOf);
  const policies = authorizationPolicies({ ...desired, keptMode }, identities);
  const endsLate = desired.policies.some((each) => isolatesAll(each.spec, 'Ingress'));
  return planOverlay(observed, { policies, kept, endsLate, ...(excepting && { excepting }) }, context);
}

export interface DesiredOverlayObjects {
  readonly policies: readonly AuthorizationPolicy[];
  /** Profiles whose observed objects stay as they are. */
  readonly kept: ReadonlySet<string>;
  /** The profiles among `kept` whose observed objects of exceptions do not stay. */
  readonly excepting?: ReadonlySet<string>;
  /** True if NetworkPolicies go on to isolate all pods: an overlay that ends then ends within `narrow`. */
  readonly endsLate?: boolean;
}

/** Like `planAuthorization`, for policies that are made already. */
export function planOverlay(
  observed: readonly KubeObject[],
  desired: DesiredOverlayObjects,
  { ownerOf, meshWide, emptied = () => undefined }: OverlayContext,
): OverlayPlan {
  const { endsLate = false } = desired;
  const { own, others, taken, wanted } = divided(observed, desired, ownerOf);
  const beside = [
    ...others.map(isolationOf),
    ...(meshWide === 'unknown' ? (['unclear'] as const) : meshWide.map(isolationOf)),
  ];
  const before = [...beside, ...[...own.values()].map(isolationOf)];
  const after = [...beside, ...wanted.map(isolationOf)];
  const { add, remove, bridged, beginning, ceasing } = objectChanges(own, wanted);
  const standing = (policies: readonly AuthorizationPolicy[]) =>
    policies.flatMap((each) => missing(each, own, taken));
  const first = standing(transitionPolicies(beginning, before, ownerOf));
  // Under a cover that is left, pods are open until the end.
  const last = [...own.values()].some(isOverlayCover)
    ? []
    : standing(transitionPolicies(ceasing, after, ownerOf));
  const bridges = standing(bridged.map((each) => bridgeFor(each, ownerOf))).map(creation);
  const leftOver = [...own.values()].filter(isTransition);
  const [growing, begun] = divide([...bridges, ...add], (step) => areIsolated(step, 'after', before));
  const made = [
    ...first,
    ...begun.filter((step) => bridges.includes(step)).map((step) => objectOf(step, 'after')),
  ];
  const [shrinking, ended] = divide(remove, (step) => areIsolated(step, 'before', after));
  const [late, early] = divide(leftOver.map(deletion), (step) => areIsolated(step, 'before', after));
  const end = [...last.map(creation), ...inOrder([...ended, ...early, ...last.map(deletion)], 'remove')];
  const widen = [...inOrder(growing, 'add'), ...(endsLate ? [] : end)];
  const narrow = [
    ...first.map(creation),
    ...inOrder(begun, 'add'),
    ...inOrder(shrinking, 'remove'),
    ...(endsLate ? end : []),
    ...[...late, ...made.map(deletion)].sort(byLife),
  ];
  const inStages = (step: ObjectStep) => emptying(step, emptied);
  return { widen: widen.flatMap(inStages), narrow: narrow.flatMap(inStages) };
}

/** A deletion, or the update that comes before it; none while the object has to stay. */
function emptying(step: ObjectStep, emptied: NonNullable<OverlayContext['emptied']>): ObjectStep[] {
  const form = step.verb === 'delete' ? emptied(step.before) : undefined;
  if (step.verb !== 'delete' || form === undefined) return [step];
  const object = updated(form, step.before);
  return isSame(step.before, object) ? [] : [{ verb: 'update', object, before: step.before }];
}

interface Divided {
  /** The objects that may change, by name. */
  readonly own: ReadonlyMap<string, KubeObject>;
  /** Foreign objects, and those that stay as they are. */
  readonly others: readonly KubeObject[];
  /** The names of these. */
  readonly taken: ReadonlySet<string>;
  readonly wanted: readonly AuthorizationPolicy[];
}

function divided(
  observed: readonly KubeObject[],
  { policies, kept, excepting = new Set() }: DesiredOverlayObjects,
  ownerOf: OwnerOf,
): Divided {
  const isKept = observed.some((each) => isKeptDeny(each, kept, ownerOf));
  const stays = isKept || policies.some(isEnforcedDeny);
  const own = new Map<string, KubeObject>();
  const others: KubeObject[] = [];
  const keptNames = new Set<string>();
  for (const object of observed) {
    const { name } = object.metadata;
    const owner = ownerOf(object);
    const isEnding = owner !== undefined && excepting.has(owner) && isOfException(object);
    if (owner !== undefined && kept.has(owner) && !isEnding && canStay(object, stays)) keptNames.add(name);
    else if (owner !== undefined) own.set(name, object);
    if (!own.has(name)) others.push(object);
  }
  const taken = new Set(others.map(({ metadata }) => metadata.name));
  const wanted = policies
    .filter((policy) => !kept.has(ownerOf(policy) ?? '') || !keptNames.has(policy.metadata.name))
    .map((policy) => withFreeName(policy, taken));
  return { own, others, taken, wanted };
}

/** The steps for which `test` is true, and the others. */
function divide<T>(steps: readonly T[], test: (step: T) => boolean): [T[], T[]] {
  return [steps.filter(test), steps.filter((step) => !test(step))];
}

/** True if the policies of `isolations` isolate all pods of the step's policy, in its form before or after the step. */
function areIsolated(step: ObjectStep, form: 'before' | 'after', isolations: readonly Isolation[]): boolean {
  const labels = formOf(objectOf(step, form))?.labels;
  return (
    labels === undefined ||
    isolations.some((each) => typeof each !== 'string' && matches({ matchLabels: each }, labels))
  );
}

/** The object before or after a step; if there is none, the other one. */
function objectOf(step: ObjectStep, form: 'before' | 'after'): KubeObject {
  if (step.verb === 'update') return form === 'before' ? step.before : step.object;
  return step.verb === 'create' ? step.object : step.before;
}

/** The transition policy under a free name, unless it is there already. */
function missing(
  policy: AuthorizationPolicy,
  own: ReadonlyMap<string, KubeObject>,
  taken: ReadonlySet<string>,
): AuthorizationPolicy[] {
  const changed = [...own.values()].filter((each) => isTransition(each) && !isSame(each, digested(policy)));
  const named = withFreeName(policy, new Set([...taken, ...changed.map(({ metadata }) => metadata.name)]));
  return own.has(named.metadata.name) ? [] : [named];
}

function creation(policy: AuthorizationPolicy): ObjectStep {
  return { verb: 'create', object: digested(policy) };
}

function deletion(before: KubeObject): ObjectStep {
  return { verb: 'delete', before };
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
      : [policyOf(policy.metadata, { spec: {}, isEnforced: mode === 'Enforce' })];
  });
  if (denies.length === 0 && keptMode === undefined) return [];
  const allows = policies.flatMap((policy) => {
    const [first, ...more] = distinctBy(authorizationRules(policy, identities), ({ rule }) => rule);
    if (first === undefined) return [];
    const matchLabels = matchLabelsOf(policy.spec.podSelector ?? {});
    const spec: AuthorizationSpec = {
      action: 'ALLOW',
      ...(matchLabels && { selector: { matchLabels } }),
      rules: [first.rule, ...more.map(({ rule }) => rule)],
    };
    const notes = formatNotes([first, ...more].map(({ note }) => note));
    return [policyOf(policy.metadata, { spec, isEnforced, notes })];
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

function policyOf(
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

interface ObjectChanges {
  /** Creates and unions. */
  readonly add: readonly ObjectStep[];
  /** Final forms and deletions. */
  readonly remove: readonly ObjectStep[];
  /** Policies whose desired form another object has to carry until their observed form goes. */
  readonly bridged: readonly AuthorizationPolicy[];
  /** Desired forms of policies for pods that they did not isolate before. */
  readonly beginning: readonly KubeObject[];
  /** Observed forms of policies for pods that they do not isolate after. */
  readonly ceasing: readonly KubeObject[];
}

/** The changes of single objects, but for observed transition policies, which only cease. */
function objectChanges(
  own: ReadonlyMap<string, KubeObject>,
  wanted: readonly AuthorizationPolicy[],
): ObjectChanges {
  const add: ObjectStep[] = [];
  const remove: ObjectStep[] = [];
  const beginning: KubeObject[] = [];
  const ceasing: KubeObject[] = [];
  const bridged: AuthorizationPolicy[] = [];
  for (const policy of wanted) {
    const before = own.get(policy.metadata.name);
    if (before === undefined || !isolatesSame(before, policy)) beginning.push(policy);
    if (before === undefined) add.push(creation(policy));
    else {
      if (!isolatesSame(before, policy)) ceasing.push(before);
      const change = objectChange(before, policy);
      add.push(...change.add);
      remove.push(...change.remove);
      if (change.isBridged) bridged.push(policy);
    }
  }
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  for (const [name, before] of own) {
    if (names.has(name)) continue;
    ceasing.push(before);
    if (!isTransition(before)) remove.push(deletion(before));
  }
  return { add, remove, bridged, beginning, ceasing };
}

/** Policies with rules are added before those that only isolate, and removed after them; transition policies come last. */
function inOrder(steps: readonly ObjectStep[], stage: 'add' | 'remove'): ObjectStep[] {
  const formIn = (step: ObjectStep) => objectOf(step, stage === 'add' ? 'after' : 'before');
  const [ruled, denying] = divide(steps, (step) => (formOf(formIn(step))?.rules ?? []).length > 0);
  if (stage === 'add') return [...ruled, ...denying];
  const [transitions, rules] = divide(ruled, (step) => isTransition(formIn(step)));
  return [...denying, ...rules, ...transitions.sort(byLife)];
}

/** Steps that delete transition policies, in the order in which they can be deleted. */
function byLife(a: ObjectStep, b: ObjectStep): number {
  return compareLives(objectOf(a, 'before'), objectOf(b, 'before'));
}

interface ObjectChange {
  readonly add: readonly ObjectStep[];
  readonly remove: readonly ObjectStep[];
  /** True if another object has to carry the desired form until the observed form goes. */
  readonly isBridged: boolean;
}

function objectChange(before: KubeObject, policy: AuthorizationPolicy): ObjectChange {
  const final: ObjectStep = { verb: 'update', object: updated(policy, before), before };
  if (isSame(before, final.object)) return { add: [], remove: [], isBridged: false };
  const [observed, desired] = [formOf(before), formOf(policy)];
  // A policy that isolates nobody yet begins; one that is to isolate nobody ceases.
  if (observed === undefined) return { add: [final], remove: [], isBridged: false };
  if (desired === undefined) return { add: [], remove: [final], isBridged: false };
  const rules = distinctRules([...observed.rules, ...desired.rules]);
  if (!isolatesSame(before, policy) || rules.length > MAX_ITEMS)
    return { add: [], remove: [final], isBridged: true };
  if (rules.length === distinctRules(desired.rules).length)
    return { add: [final], remove: [], isBridged: false };
  const union = updated({ ...policy, spec: withRules(policy.spec, rules) }, before);
  const isObserved = rules.length === distinctRules(observed.rules).length;
  const add: ObjectStep[] = isObserved ? [] : [{ verb: 'update', object: union, before }];
  return { add, remove: [final], isBridged: false };
}

/** True if both policies isolate the same pods. */
function isolatesSame(a: KubeObject, b: KubeObject): boolean {
  const [one, other] = [formOf(a), formOf(b)];
  return (
    one !== undefined && other !== undefined && canonicalJSON(one.labels) === canonicalJSON(other.labels)
  );
}

function withRules(spec: AuthorizationSpec, rules: readonly AuthorizationRule[]): AuthorizationSpec {
  const [first, ...more] = rules;
  if (first === undefined) return spec;
  const selector = 'selector' in spec ? spec.selector : undefined;
  return { action: 'ALLOW', ...(selector && { selector }), rules: [first, ...more] };
}

function isDryRun({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[ANNOTATION_DRY_RUN] === 'true';
}

function isOfException({ metadata }: KubeObject): boolean {
  return exceptionNameOf(metadata) !== undefined;
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

function isKeptDeny(object: KubeObject, kept: ReadonlySet<string>, ownerOf: OwnerOf): boolean {
  const owner = ownerOf(object);
  return owner !== undefined && kept.has(owner) && isEnforcedDeny(object);
}

/**
 * False for an object that allows, and whose effect would be another than before: one that is enforced isolates pods also
 * without a default-deny, and one of a dry run allows nothing beside an enforced default-deny.
 */
function canStay(object: KubeObject, isEnforced: boolean): boolean {
  return isDeny(object) || isDryRun(object) !== isEnforced;
}

/** The mode of a kept default-deny; undefined if there is none. */
function modeOfKept(
  observed: readonly KubeObject[],
  kept: ReadonlySet<string>,
  ownerOf: OwnerOf,
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
    ownerReferences.filter(isOwnReference).map(({ uid, name }) => `${uid} ${name}`),
  ]);
}
