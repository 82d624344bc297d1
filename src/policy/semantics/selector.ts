/**
 * Label selectors: metav1.LabelSelector, as k8s.io/apimachinery evaluates it.
 *
 * No function here takes an absent selector. What absence means differs from field to field (an absent
 * `podSelector` of a policy selects every pod, an absent `namespaceSelector` of a peer the policy's own
 * namespace), so the caller has to say it: `spec.podSelector ?? EVERYTHING`.
 */
import type { LabelSelector, LabelSelectorRequirement, StringMap } from '../../api/meta.ts';
import { byKey, compareText } from '../../util/order.ts';

/** The empty selector: it matches all labels. */
export const EVERYTHING: LabelSelector = {};

/** The canonical selector that matches no labels; its key is never set on anything. */
export const NOTHING: LabelSelector = {
  matchExpressions: [
    { key: 'segmentation.dev/none', operator: 'DoesNotExist' },
    { key: 'segmentation.dev/none', operator: 'Exists' },
  ],
};

/** True if `labels` meet every requirement of `selector`. NotIn and DoesNotExist hold if the key is absent. */
export function matches(selector: LabelSelector, labels: StringMap): boolean {
  for (const key in selector.matchLabels) {
    if (valueOf(labels, key) !== selector.matchLabels[key]) return false;
  }
  return selector.matchExpressions?.every((requirement) => meets(requirement, labels)) ?? true;
}

/**
 * The canonical form of a selector: two selectors match the same labels exactly if their canonical forms are equal. Keys and
 * values are sorted, a single value is in `matchLabels`, redundant requirements are gone, and a contradiction is NOTHING. (Keys
 * are independent of each other and their values unbounded, so each key has one simplest constraint.)
 */
export function canonicalSelector(selector: LabelSelector): LabelSelector {
  const matchLabels: [string, string][] = [];
  const matchExpressions: LabelSelectorRequirement[] = [];
  for (const [key, constraint] of [...constraints(selector)].sort(byKey)) {
    const { presence, allowed, refused } = constraint;
    if (presence === 'contradiction') return NOTHING;
    if (presence === 'absent') {
      matchExpressions.push({ key, operator: 'DoesNotExist' });
    } else if (allowed === undefined) {
      // `Exists` sorts before `NotIn`.
      if (presence === 'present') matchExpressions.push({ key, operator: 'Exists' });
      if (refused.size > 0) matchExpressions.push({ key, operator: 'NotIn', values: sorted(refused) });
    } else {
      const values = sorted(allowed.difference(refused));
      const [only] = values;
      if (only === undefined) return NOTHING;
      if (values.length === 1) matchLabels.push([key, only]);
      else matchExpressions.push({ key, operator: 'In', values });
    }
  }
  return {
    ...(matchLabels.length > 0 && { matchLabels: Object.fromEntries(matchLabels) }),
    ...(matchExpressions.length > 0 && { matchExpressions }),
  };
}

/** Equal for two selectors exactly if they match the same labels. Cached by selector: policies of many namespaces share theirs. */
export function selectorKey(selector: LabelSelector): string {
  let key = selectorKeys.get(selector);
  if (key === undefined) selectorKeys.set(selector, (key = JSON.stringify(canonicalSelector(selector))));
  return key;
}

const selectorKeys = new WeakMap<LabelSelector, string>();

/** All requirements of a selector as `matchExpressions`. */
export function requirementsOf({
  matchLabels = {},
  matchExpressions = [],
}: LabelSelector): LabelSelectorRequirement[] {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In' as const, values: [value] })),
    ...matchExpressions,
  ];
}

/** The canonical selector of the labels that both selectors match; NOTHING if there are none. */
export function intersection(a: LabelSelector, b: LabelSelector): LabelSelector {
  return canonicalSelector({ matchExpressions: [...requirementsOf(a), ...requirementsOf(b)] });
}

/** The requirements as `kubectl get --selector` takes them; none if the selector is empty. */
export function selectorTerms({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string[] {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return key;
      if (operator === 'DoesNotExist') return `!${key}`;
      return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
    }),
  ];
}

function meets({ key, operator, values = [] }: LabelSelectorRequirement, labels: StringMap): boolean {
  const value = valueOf(labels, key);
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      // No released API has another operator. An unknown requirement is not met, so that nothing is opened by it.
      return false;
  }
}

/** The label's value. Only own properties are labels: `constructor` is a valid key. */
function valueOf(labels: StringMap, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** The requirements of a selector on one key. */
interface Constraint {
  presence: 'any' | 'present' | 'absent' | 'contradiction';
  /** Undefined: every value. */
  allowed: ReadonlySet<string> | undefined;
  refused: Set<string>;
}

function constraints(selector: LabelSelector): Map<string, Constraint> {
  const result = new Map<string, Constraint>();
  const at = (key: string): Constraint => {
    const constraint = result.get(key) ?? { presence: 'any', allowed: undefined, refused: new Set<string>() };
    result.set(key, constraint);
    return constraint;
  };
  const require = (constraint: Constraint, presence: 'present' | 'absent') => {
    constraint.presence =
      constraint.presence === 'any' || constraint.presence === presence ? presence : 'contradiction';
  };
  const allow = (constraint: Constraint, values: Iterable<string>) => {
    const set = new Set(values);
    require(constraint, 'present');
    constraint.allowed = constraint.allowed?.intersection(set) ?? set;
  };
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) allow(at(key), [value]);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const constraint = at(key);
    if (operator === 'In') allow(constraint, values);
    else if (operator === 'NotIn') for (const value of values) constraint.refused.add(value);
    else require(constraint, operator === 'Exists' ? 'present' : 'absent');
  }
  return result;
}

function sorted(values: ReadonlySet<string>): string[] {
  return [...values].sort(compareText);
}
