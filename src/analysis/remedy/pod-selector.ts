/** Finds the label selector with the fewest requirements that tells some pods from others. Pure. */
import type { LabelSelector, LabelSelectorRequirement, StringMap } from '../../api/meta.ts';
import { matches } from '../../policy/semantics/selector.ts';
import type { Pod } from '../cluster.ts';
import { stableKeys } from './stable-labels.ts';

export interface SelectionInput {
  /** The pods to select. */
  readonly members: readonly Pod[];
  /** Pods that should not be selected, without the members. */
  readonly others: readonly Pod[];
  /** Other pods that the selector must never select. */
  readonly forbidden: readonly Pod[];
}

export type Selection =
  | {
      readonly kind: 'selector';
      readonly selector: LabelSelector;
      /** Others that the selector matches, as their stable labels don't differ from those of the members. */
      readonly also: readonly Pod[];
    }
  /** The members have no stable label in common. */
  | { readonly kind: 'unlabelled' }
  /** The stable labels of these forbidden pods don't differ from those of the members. */
  | { readonly kind: 'indistinct'; readonly pods: readonly Pod[] };

/** A condition on one key. All of them together match the members and no pod that labels can tell from them. */
interface Requirement {
  readonly selector: LabelSelector;
  /** True if only pods with a label of this key meet it. */
  readonly isPositive: boolean;
}

export function selectPods({ members, others, forbidden }: SelectionInput): Selection {
  const rest = [...new Set([...others, ...forbidden])];
  const requirements = stableKeys([...members, ...rest])
    .flatMap((key) => narrowest(key, members, rest) ?? [])
    .sort((a, b) => Number(b.isPositive) - Number(a.isPositive));
  if (!requirements.some(({ isPositive }) => isPositive)) return { kind: 'unlabelled' };
  const indistinct = matching(requirements, forbidden);
  if (indistinct.length > 0) return { kind: 'indistinct', pods: indistinct };
  const also = matching(requirements, others);
  const isExact = (chosen: readonly Requirement[]) => matching(chosen, rest).length === also.length;
  const chosen = smallCombinations(requirements).find(isExact) ?? greedy(requirements, rest, also.length);
  return { kind: 'selector', selector: joined(chosen), also };
}

function matching(requirements: readonly Requirement[], pods: readonly Pod[]): Pod[] {
  return pods.filter(({ labels }) => requirements.every(({ selector }) => matches(selector, labels)));
}

/** The narrowest condition on a key that all members meet; undefined if it would exclude nobody. */
function narrowest(key: string, members: readonly Pod[], others: readonly Pod[]): Requirement | undefined {
  const own = valuesOf(key, members);
  const [value] = own;
  if (value === undefined) return requirement({ key, operator: 'DoesNotExist' }, false);
  if (members.every(({ labels }) => Object.hasOwn(labels, key))) {
    if (own.length === 1) return { selector: { matchLabels: { [key]: value } }, isPositive: true };
    return requirement({ key, operator: 'In', values: own }, true);
  }
  const refused = valuesOf(key, others).filter((each) => !own.includes(each));
  return refused.length === 0 ? undefined : requirement({ key, operator: 'NotIn', values: refused }, false);
}

function requirement(expression: LabelSelectorRequirement, isPositive: boolean): Requirement {
  return { selector: { matchExpressions: [expression] }, isPositive };
}

function valuesOf(key: string, pods: readonly Pod[]): string[] {
  const values = pods.flatMap(({ labels }) => (Object.hasOwn(labels, key) ? [labels[key] ?? ''] : []));
  return [...new Set(values)].sort();
}

/** One or two requirements, of which the first is positive: single ones first. */
function* smallCombinations(requirements: readonly Requirement[]): Generator<readonly Requirement[]> {
  const positive = requirements.filter(({ isPositive }) => isPositive);
  for (const one of positive) yield [one];
  for (const one of positive) {
    for (const two of requirements.slice(requirements.indexOf(one) + 1)) yield [one, two];
  }
}

/** Adds the requirement that excludes most pods, until only `unavoidable` of them are left. */
function greedy(
  requirements: readonly Requirement[],
  pods: readonly Pod[],
  unavoidable: number,
): readonly Requirement[] {
  const chosen = requirements.slice(0, 1);
  const left = (extra: Requirement) => matching([...chosen, extra], pods).length;
  while (matching(chosen, pods).length > unavoidable) {
    const candidates = requirements.filter((each) => !chosen.includes(each));
    const [best] = candidates.toSorted((a, b) => left(a) - left(b));
    if (best === undefined) break;
    chosen.push(best);
  }
  return chosen;
}

function joined(requirements: readonly Requirement[]): LabelSelector {
  const selectors = requirements.map(({ selector }) => selector);
  const matchLabels = Object.assign({}, ...selectors.map((each) => each.matchLabels ?? {})) as StringMap;
  const matchExpressions = selectors.flatMap((each) => each.matchExpressions ?? []);
  return {
    ...(Object.keys(matchLabels).length > 0 && { matchLabels }),
    ...(matchExpressions.length > 0 && { matchExpressions }),
  };
}
