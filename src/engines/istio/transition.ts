/**
 * The transition policies of an overlay. The first AuthorizationPolicy that selects a pod isolates it, so pods that several
 * policies begin, or cease, to isolate would be cut between the first write and the last. A *cover* keeps them open meanwhile,
 * by allowing everything in the namespace. Where other policies isolate pods of the namespace, it would open these: there,
 * *bridges* allow the pods that several policies select all that these policies allow. Pure.
 */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER, transitionName } from '../../api/names.ts';
import { overlapsOf } from '../../policy/planning/overlaps.ts';
import { MAX_OVERLAPS, PlanTooComplexError } from '../../policy/planning/transition.ts';
import { isProfileReference } from '../../policy/semantics/normalize.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { formOf, type Isolation } from './isolation.ts';
import {
  type AuthorizationPolicy,
  type AuthorizationRule,
  type AuthorizationSpec,
  MAX_ITEMS,
  SECURITY_API_VERSION,
} from './policy.ts';

/** The profile that owns an object; undefined for a foreign one. */
export type OwnerOf = (object: KubeObject) => string | undefined;

const EVERYTHING: AuthorizationSpec = { action: 'ALLOW', rules: [{}] };

/** True for a cover or bridge. */
export function isTransition({ metadata }: KubeObject): boolean {
  return metadata.labels?.[LABEL_ROLE] === 'transition';
}

/** True if the object allows everything, while an overlay begins or ends. */
export function isOverlayCover(object: KubeObject & { readonly spec?: unknown }): boolean {
  return isTransition(object) && canonicalJSON(object.spec ?? {}) === canonicalJSON(EVERYTHING);
}

/**
 * The transition policies without which policies would cut pods that they begin, or cease, to isolate one after the other. They
 * are created in this order, and deleted in the reverse one.
 *
 * @param changing policies that begin, or cease, to isolate pods
 * @param isolations of all policies of the namespace before these begin, or after they have ceased
 * @throws PlanTooComplexError
 */
export function transitionPolicies(
  changing: readonly KubeObject[],
  isolations: readonly Isolation[],
  ownerOf: OwnerOf,
): AuthorizationPolicy[] {
  const isolated = isolations.filter((each) => each !== 'none');
  const isIsolated = (labels: StringMap) =>
    isolated.some((each) => each !== 'unclear' && matches({ matchLabels: each }, labels));
  const allowing = changing.filter((each) => (formOf(each)?.rules ?? []).length > 0);
  if (allowing.length < 2 || isIsolated({})) return [];
  const overlaps = overlapsOf(
    allowing,
    (each) => ({ matchLabels: formOf(each)?.labels ?? {} }),
    MAX_OVERLAPS,
  );
  if (isolated.length === 0)
    return overlaps?.length === 0
      ? []
      : [transitional(changing, { purpose: 'mesh', spec: EVERYTHING, ownerOf })];
  if (overlaps === undefined)
    throw new PlanTooComplexError(
      'foreign AuthorizationPolicies isolate pods of the namespace, and its ingress rules select pods by so many label ' +
        'combinations that the overlay cannot begin or end without cutting or opening some; use fewer label keys in their ' +
        'podSelectors, or divide the profile in two',
    );
  return overlaps
    .filter(({ selector }) => !isIsolated(selector.matchLabels ?? {}))
    .map(({ selector: { matchLabels }, policies }) => {
      const spec = specOver([...policies], matchLabels);
      return transitional([...policies], { purpose: `rules ${canonicalJSON(spec)}`, spec, ownerOf });
    })
    .sort(compareLives)
    .toReversed();
}

/** Carries the desired form of a policy, until its observed form is updated. */
export function bridgeFor(policy: AuthorizationPolicy, ownerOf: OwnerOf): AuthorizationPolicy {
  const { metadata, spec } = policy;
  return transitional([policy], {
    purpose: `form ${canonicalJSON(spec)} of ${metadata.name}`,
    spec,
    ownerOf,
  });
}

/**
 * Transition policies in the order in which they can be deleted: a cover is the last. Of the bridges that select a pod, the one
 * for all policies that select the pod is the last: it has the most labels and, of these, the most rules.
 */
export function compareLives(a: KubeObject, b: KubeObject): number {
  const [one, other] = [a, b].map((each) => {
    const { labels = {}, rules = [] } = formOf(each) ?? {};
    return [Number(isOverlayCover(each)), Object.keys(labels).length, distinctRules(rules).length];
  });
  return compareEach(one ?? [], other ?? []);
}

/** Compares by the first number that differs. */
function compareEach(a: readonly number[], b: readonly number[]): number {
  return a.map((each, index) => each - (b[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

/** Rules by what they allow, in an order of their own. */
export function distinctRules(rules: readonly AuthorizationRule[]): AuthorizationRule[] {
  return distinctBy(rules, (rule) => rule);
}

/** Each rule once, in an order of their own: an object with the same rules is the same. Of equal rules, the last one stays. */
export function distinctBy<T>(items: readonly T[], ruleOf: (item: T) => AuthorizationRule): T[] {
  const byText = new Map(items.map((each) => [canonicalJSON(ruleOf(each)), each]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** All that the policies allow, for the pods with these labels. */
function specOver(policies: readonly KubeObject[], matchLabels: StringMap | undefined): AuthorizationSpec {
  const [first, ...more] = distinctRules(policies.flatMap((each) => formOf(each)?.rules ?? []));
  if (first === undefined) throw new Error('an overlap has no rules');
  if (more.length >= MAX_ITEMS)
    throw new PlanTooComplexError(
      `foreign AuthorizationPolicies isolate pods of the namespace, and its ingress rules allow some pods more than ${MAX_ITEMS} ` +
        'combinations of peers and ports together, so that the overlay cannot begin or end without cutting or opening some; ' +
        'divide the profile in two',
    );
  return { action: 'ALLOW', ...(matchLabels && { selector: { matchLabels } }), rules: [first, ...more] };
}

interface Purpose {
  /** Distinguishes the transition policies of a profile by name. */
  readonly purpose: string;
  readonly spec: AuthorizationSpec;
  readonly ownerOf: OwnerOf;
}

/** A transition policy of the profile of one of `policies`. */
function transitional(
  policies: readonly KubeObject[],
  { purpose, spec, ownerOf }: Purpose,
): AuthorizationPolicy {
  const owned = policies.find(({ metadata }) => metadata.ownerReferences?.some(isProfileReference));
  const model = owned ?? policies[0];
  const { namespace, labels = {}, ownerReferences } = model?.metadata ?? {};
  const profile = labels[LABEL_PROFILE] ?? (model && ownerOf(model)) ?? '';
  // An exception may go while the policy is needed.
  const profiles = ownerReferences?.filter(isProfileReference) ?? [];
  return {
    apiVersion: SECURITY_API_VERSION,
    kind: 'AuthorizationPolicy',
    metadata: {
      name: transitionName(profile, purpose),
      ...(namespace !== undefined && { namespace }),
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: profile, [LABEL_ROLE]: 'transition' },
      ...(profiles.length > 0 && { ownerReferences: profiles }),
    },
    spec,
  };
}
