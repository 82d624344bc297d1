/** The policies of profiles in Audit that a network engine may stage in a namespace. Pure. */
import { LABEL_PROFILE } from '../../api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import { withoutDirections } from '../../policy/directions.ts';
import { isolates } from '../../policy/semantics/normalize.ts';
import { asStaged, type DesiredStaged, NOTHING_STAGED } from '../../policy/staged.ts';
import type { ProfileIntent } from './gather.ts';

/**
 * The policies and extensions that Enforce would write. A direction with a peer that is unresolved and has no last known form
 * is left out: its staged policies would report flows that are meant, and Enforce would not begin to isolate it either. Once
 * such a direction is staged, it stays so.
 *
 * @param staged the staged policies of the namespace so far
 */
export function desiredStaged(
  intents: readonly ProfileIntent[],
  staged: readonly NetworkPolicy[],
): DesiredStaged {
  const each = intents.map((intent) => stagedOf(intent, staged));
  return {
    policies: each.flatMap(({ policies }) => policies),
    extensions: each.flatMap(({ extensions }) => extensions),
    leftOut: each.flatMap(({ leftOut }) => leftOut),
    kept: new Set(each.flatMap(({ kept }) => [...kept])),
  };
}

function stagedOf(
  { profile, relation, compiled }: ProfileIntent,
  staged: readonly NetworkPolicy[],
): DesiredStaged {
  const { name, deletionTimestamp } = profile.metadata;
  if (relation === 'held') return { ...NOTHING_STAGED, kept: new Set([name]) };
  if (relation !== 'audit' || deletionTimestamp !== undefined) return NOTHING_STAGED;
  const isStaged = (direction: PolicyType) =>
    staged.some(
      ({ metadata, spec }) => metadata.labels?.[LABEL_PROFILE] === name && isolates(spec).includes(direction),
    );
  const leftOut = DIRECTIONS.flatMap((direction) => {
    const unknown = compiled.unresolved.find((each) => each.direction === direction && !each.hasLastKnown);
    if (unknown === undefined || isStaged(direction)) return [];
    const { rule, peer, message } = unknown;
    return [{ profile: name, direction, message: `rule ${rule}, ${peer}: ${message}` }];
  });
  const directions = leftOut.map(({ direction }) => direction);
  return {
    policies: asStaged(withoutDirections(compiled.policies, directions), profile),
    extensions: asStaged(
      compiled.extensions.filter(({ direction }) => !directions.includes(direction)),
      profile,
    ),
    leftOut,
    kept: new Set(),
  };
}
