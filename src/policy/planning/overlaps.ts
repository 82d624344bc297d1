/** The pods that several policies select together, by the combinations of the policies' selectors. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import { intersection, NOTHING, selectorKey } from '../semantics/selector.ts';

/** Pods that all of `policies` select. */
export interface Overlap<T> {
  readonly selector: LabelSelector;
  readonly policies: ReadonlySet<T>;
}

/**
 * The overlaps of two or more of `policies`, those of the most policies first. For each pod that several policies select, the
 * first overlap that selects it has all of these. Undefined if there are more than `most`.
 */
export function overlapsOf<T>(
  policies: readonly T[],
  selectorOf: (policy: T) => LabelSelector,
  most: number,
): readonly Overlap<T>[] | undefined {
  const found = new Map<string, { selector: LabelSelector; policies: Set<T> }>();
  const nothing = selectorKey(NOTHING);
  const add = (selector: LabelSelector, members: Iterable<T>) => {
    const key = selectorKey(selector);
    if (key === nothing) return;
    const overlap = found.get(key) ?? { selector, policies: new Set() };
    for (const each of members) overlap.policies.add(each);
    found.set(key, overlap);
  };
  for (const policy of policies) {
    const own = selectorOf(policy);
    const known = [...found.values()].map((each) => ({ ...each, policies: [...each.policies] }));
    add(own, [policy]);
    for (const each of known) add(intersection(each.selector, own), [...each.policies, policy]);
    if (found.size > most + policies.length) return undefined;
  }
  const overlaps = [...found.values()].filter((each) => each.policies.size > 1);
  return overlaps.length > most ? undefined : overlaps.sort((a, b) => b.policies.size - a.policies.size);
}
