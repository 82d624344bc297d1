/**
 * What profiles must not begin with in a namespace that has pods, and why. Pure.
 *
 * A direction that nobody isolates is open. The first policy that isolates it cuts all that is not allowed by then, by
 * any profile. So nobody begins with it while some of what the profiles allow there can't be written (I2, I3): a peer
 * that is unknown, and never was known, or policies that the API server would refuse for their size. Once somebody
 * isolates it in any case, waiting would only cut what the other rules allow.
 */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Compiled } from '../../policy/compile.ts';
import { isolatesAll } from '../../policy/planning/effect.ts';
import { excess } from '../../policy/limits.ts';
import { isolates } from '../../policy/semantics/normalize.ts';
import { isTransitionalCover } from '../../policy/planning/transition.ts';
import type { Failure } from '../results.ts';
import { listText } from '../../util/list-text.ts';

/** What a profile does not do yet. */
export interface Postponed {
  /** Of the directions that it isolates: those in which nothing is written for it. */
  readonly directions: readonly PolicyType[];
  readonly failure: Failure;
}

/** A profile that is enforced in the namespace. */
export interface Enforcing {
  readonly profile: SegmentationProfile;
  readonly compiled: Compiled;
}

/** What is known of the namespace. */
export interface Ground {
  /** All policies that stand. */
  readonly observed: readonly NetworkPolicy[];
  readonly hasPods: boolean;
  /** The profile that a policy belongs to. */
  readonly ownerOf: (policy: NetworkPolicy) => string | undefined;
  /** Whether this process has enforced the profile in the direction, whatever somebody deleted since. */
  readonly wasEnforced: (profile: string, direction: PolicyType) => boolean;
}

/** What is not begun with, by profile. Those that are too large change nothing at all: a person has to act. */
export function postponed(enforcing: readonly Enforcing[], ground: Ground): Map<string, Postponed> {
  const tooLarge = new Map<string, string>();
  for (const { profile, compiled } of enforcing) {
    const message = compiled.policies.map(excess).find((each) => each !== undefined);
    if (message !== undefined) tooLarge.set(profile.metadata.name, message);
  }
  const open = new Set(DIRECTIONS.filter((each) => staysOpen(each, enforcing, tooLarge, ground)));
  const result = new Map<string, Postponed>();
  for (const { profile, compiled } of enforcing) {
    const { name } = profile.metadata;
    const { isolation } = profile.spec;
    const message = tooLarge.get(name);
    const directions = message === undefined ? isolation.filter((each) => open.has(each)) : isolation;
    if (directions.length === 0) continue;
    const failure: Failure =
      message === undefined
        ? waitingFor(directions, compiled, [...tooLarge.keys()])
        : { reason: 'PoliciesTooLarge', message, kind: 'stalled' };
    result.set(name, { directions, failure });
  }
  return result;
}

/** Whether a direction is open, and must not be isolated by anyone yet. */
function staysOpen(
  direction: PolicyType,
  enforcing: readonly Enforcing[],
  tooLarge: ReadonlyMap<string, string>,
  { observed, hasPods, ownerOf, wasEnforced }: Ground,
): boolean {
  // What a cover alone isolates is open: it allows everything.
  const standing = observed.filter(
    (each) => isolates(each.spec).includes(direction) && !isTransitionalCover(each),
  );
  if (!hasPods || standing.some(({ spec }) => isolatesAll(spec, direction))) return false;
  const isolating = enforcing.filter(({ profile }) => profile.spec.isolation.includes(direction));
  const able = isolating.filter(({ profile }) => !tooLarge.has(profile.metadata.name));
  // Also by a profile that leaves: the pods that its last policies isolate would be open until the peer is known.
  const began = standing.some((each) => {
    const owner = ownerOf(each);
    return owner !== undefined && !tooLarge.has(owner);
  });
  if (began || able.some(({ profile: { metadata } }) => wasEnforced(metadata.name, direction))) return false;
  return able.length < isolating.length || able.every((each) => isUnknown(direction, each.compiled));
}

/** Whether a peer of a rule can't be resolved, and never was. */
function isUnknown(direction: PolicyType, { unresolved }: Compiled): boolean {
  return unresolved.some((each) => each.direction === direction && !each.hasLastKnown);
}

function waitingFor(
  directions: readonly PolicyType[],
  compiled: Compiled,
  tooLarge: readonly string[],
): Failure {
  const what = `not isolated yet in ${listText(directions)}: pods run here, and`;
  if (directions.some((each) => isUnknown(each, compiled))) {
    const message = `${what} a rule has a peer that is unresolved, from which they would be cut off`;
    return { reason: 'PeersUnresolved', message, kind: 'waiting' };
  }
  const message = `${what} they would be cut off from what profile ${tooLarge.join(', ')} allows, which is too large to be written`;
  return { reason: 'PoliciesTooLarge', message, kind: 'waiting' };
}
