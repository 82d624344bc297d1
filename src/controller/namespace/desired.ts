/** What shall stand in a namespace, for all profiles together. Pure. */
import { LABEL_ROLE, type Role } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Compiled } from '../../policy/compile.ts';
import { isolates, isProfileReference } from '../../policy/semantics/normalize.ts';
import type { Postponed } from './postponed.ts';
import type { Relation } from '../../cluster-state/state.ts';

/** What one profile wants in the namespace. */
export interface Intent {
  readonly profile: SegmentationProfile;
  readonly relation: Relation;
  readonly compiled: Compiled;
}

export interface Present {
  /** All policies that stand. */
  readonly observed: readonly NetworkPolicy[];
  readonly ownerOf: (policy: NetworkPolicy) => string | undefined;
  /** Whether an admission gate may still look for the profile's default-deny, and would refuse pods without it. */
  readonly isGated: (profile: string) => boolean;
}

/** What each profile wants, but for what it does not begin with yet. What stands of one that is stalled stays as it is. */
export function desiredOf(
  intents: readonly Intent[],
  postponed: ReadonlyMap<string, Postponed>,
  { observed, ownerOf, isGated }: Present,
): NetworkPolicy[] {
  return intents.flatMap((intent) => {
    const { name, deletionTimestamp } = intent.profile.metadata;
    const waits = postponed.get(name);
    const present = () => observed.filter((each) => ownerOf(each) === name);
    // If it goes it goes under Retain: what stays must not be the garbage collector's.
    if (waits?.failure.kind === 'stalled')
      return deletionTimestamp === undefined ? present() : present().map(disowned);
    const wanted = begun(intent, waits);
    // As long as a gate looks for the default-deny, its end would have pods refused: the gate goes first.
    if (wanted.length === 0 && isGated(name)) return present();
    // And one that a gate has found must not be lost to it because an edit adds a direction.
    return waits === undefined || !present().some((each) => roleOf(each) === 'default-deny')
      ? wanted
      : wanted.map((each) => (roleOf(each) === 'partial-deny' ? withRole(each, 'default-deny') : each));
  });
}

/** What the profile wants in the directions that it begins with, or began with long ago. */
export function begun(
  { relation, compiled }: Intent,
  waits: Postponed | undefined,
): readonly NetworkPolicy[] {
  if (relation !== 'enforce') return [];
  if (waits === undefined) return compiled.policies;
  return compiled.policies.flatMap((policy) => {
    const policyTypes = isolates(policy.spec).filter((each) => !waits.directions.includes(each));
    if (policyTypes.length === 0) return [];
    // What has rules is of one direction; the default-deny may be of both.
    return policyTypes.length === isolates(policy.spec).length
      ? [policy]
      : [withRole({ ...policy, spec: { ...policy.spec, policyTypes } }, 'partial-deny')];
  });
}

function roleOf({ metadata }: NetworkPolicy): string | undefined {
  return metadata.labels?.[LABEL_ROLE];
}

function withRole({ metadata, ...policy }: NetworkPolicy, role: Role): NetworkPolicy {
  return { ...policy, metadata: { ...metadata, labels: { ...metadata.labels, [LABEL_ROLE]: role } } };
}

function disowned(policy: NetworkPolicy): NetworkPolicy {
  const ownerReferences = policy.metadata.ownerReferences?.filter((each) => !isProfileReference(each)) ?? [];
  return { ...policy, metadata: { ...policy.metadata, ownerReferences } };
}
