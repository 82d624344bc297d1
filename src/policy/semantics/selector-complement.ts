/** The complement of label selectors, as label selectors: one has no "or" and no "not", but several together do. Pure. */
import type { LabelSelector, LabelSelectorRequirement } from '../../api/meta.ts';
import { canonicalSelector, EVERYTHING, NOTHING, requirementsOf } from './selector.ts';

/**
 * Selectors of which at least one matches exactly those labels that none of `selectors` matches: the product of the
 * negations of their requirements, without selectors that match nothing or less than another. Empty if nothing is left over;
 * undefined if more than `most` would be needed on the way.
 */
export function complement(
  selectors: readonly LabelSelector[],
  most: number,
): readonly LabelSelector[] | undefined {
  const nothing = JSON.stringify(NOTHING);
  const canonical = new Map(
    selectors.map(canonicalSelector).map((selector) => [JSON.stringify(selector), selector]),
  );
  canonical.delete(nothing);
  let left: readonly LabelSelector[] = [EVERYTHING];
  for (const selector of canonical.values()) {
    const negations = requirementsOf(selector).map(negate);
    const product = left.flatMap((each) =>
      negations.map((negation) =>
        canonicalSelector({ matchExpressions: [...requirementsOf(each), negation] }),
      ),
    );
    const distinct = new Map(product.map((each) => [JSON.stringify(each), each]));
    distinct.delete(nothing);
    left = withoutParts([...distinct.values()]);
    if (left.length > most) return undefined;
  }
  return left;
}

/** Drops selectors whose requirements include all of another's: the other one matches the same labels, and more. */
function withoutParts(selectors: readonly LabelSelector[]): LabelSelector[] {
  const all = selectors.map((selector) => {
    const requirements = new Set(requirementsOf(selector).map((each) => JSON.stringify(each)));
    return { selector, requirements };
  });
  return all
    .filter(
      ({ requirements }) =>
        !all.some(
          (other) =>
            other.requirements.size < requirements.size && other.requirements.isSubsetOf(requirements),
        ),
    )
    .map(({ selector }) => selector);
}

const NEGATIONS = { In: 'NotIn', NotIn: 'In', Exists: 'DoesNotExist', DoesNotExist: 'Exists' } as const;

function negate({ operator, ...requirement }: LabelSelectorRequirement): LabelSelectorRequirement {
  return { ...requirement, operator: NEGATIONS[operator] };
}
