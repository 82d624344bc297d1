/** The policies of profiles in Audit that a network engine may stage in a namespace. Pure. */
import { LABEL_PROFILE } from '../../api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import { isolates } from '../../policy/semantics/normalize.ts';
import { asStaged } from '../../policy/staged.ts';
import type { DesiredStaged } from '../engine-support.ts';
import { withoutPostponed } from './desired.ts';
import type { ProfileIntent } from './gather.ts';

/**
 * The policies that Enforce would write. Two kinds of directions are left out, as their staged policies would report flows that
 * are meant: those with peers that extensions carry, which are not staged; and those with a peer that is unresolved and has no
 * last known form, where Enforce would not begin to isolate either. Once such a direction is staged, it stays so.
 *
 * @param staged the staged policies of the namespace so far
 */
export function desiredStaged(
  intents: readonly ProfileIntent[],
  staged: readonly NetworkPolicy[],
): DesiredStaged {
  const kept = new Set<string>();
  const policies = intents.flatMap((intent) => {
    const { profile, relation, compiled } = intent;
    const { name } = profile.metadata;
    if (relation === 'held') kept.add(name);
    if (relation !== 'audit' || profile.metadata.deletionTimestamp !== undefined) return [];
    const isStaged = (direction: PolicyType) =>
      staged.some(
        ({ metadata, spec }) =>
          metadata.labels?.[LABEL_PROFILE] === name && isolates(spec).includes(direction),
      );
    const isUnknown = (direction: PolicyType) =>
      compiled.unresolved.some((each) => each.direction === direction && !each.hasLastKnown);
    const isExtended = (direction: PolicyType) =>
      compiled.extensions.some((each) => each.direction === direction && each.rules.length > 0);
    const directions = DIRECTIONS.filter((each) => isExtended(each) || (isUnknown(each) && !isStaged(each)));
    const asEnforced: ProfileIntent = { ...intent, relation: 'enforce' };
    return asStaged(withoutPostponed(asEnforced, { directions }), profile);
  });
  return { policies, kept };
}
