/**
 * Decides which directions profiles must not isolate yet in a namespace that has pods. Pure.
 *
 * A direction that no policy isolates is open. The first policy that isolates it cuts every flow that no profile's
 * policies allow by then. So no profile isolates it while some of what the profiles allow there can't be written (I2,
 * I3): a peer that is unresolved and has no last known form, or policies that the API server would refuse for their
 * size. Once the direction is isolated, postponing would only cut what the other rules allow.
 */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import type { Compiled } from '../../policy/compile.ts';
import { isolatesAll } from '../../policy/planning/effect.ts';
import { firstExcess } from '../../policy/limits.ts';
import { isolates } from '../../policy/semantics/normalize.ts';
import { isTransitionalCover } from '../../policy/planning/transition.ts';
import { listText } from '../../util/list-text.ts';
import type { Failure } from '../results.ts';
import type { ProfileIntent } from './gather.ts';

/** The part of a profile that is not enforced yet. */
export interface Postponed {
  /** Directions of its isolation in which none of its policies is written. */
  readonly directions: readonly PolicyType[];
  readonly failure: Failure;
}

/** The intent of a profile that enforces in the namespace. */
export type EnforcedIntent = Pick<ProfileIntent, 'profile' | 'compiled'>;

export interface PostponeContext {
  /** All policies of the namespace, own and foreign ones. */
  readonly observed: readonly NetworkPolicy[];
  readonly hasPods: boolean;
  readonly ownerOf: (policy: NetworkPolicy) => string | undefined;
  /** True if this process has enforced the profile in the direction, whatever somebody deleted since. */
  readonly wasEnforced: (profile: string, direction: PolicyType) => boolean;
}

/** The postponed directions, by profile. A profile whose policies are too large is stalled, and changes nothing at all. */
export function postponed(
  intents: readonly EnforcedIntent[],
  context: PostponeContext,
): Map<string, Postponed> {
  const tooLarge = new Map<string, string>();
  for (const { profile, compiled } of intents) {
    const message = firstExcess(compiled.policies);
    if (message !== undefined) tooLarge.set(profile.metadata.name, message);
  }
  const open = new Set(DIRECTIONS.filter((each) => staysOpen(each, intents, tooLarge, context)));
  const result = new Map<string, Postponed>();
  for (const { profile, compiled } of intents) {
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

/**
 * True if a direction is open, and no profile may isolate it yet.
 *
 * @param tooLarge the profiles whose policies are too large, with the reasons
 */
function staysOpen(
  direction: PolicyType,
  intents: readonly EnforcedIntent[],
  tooLarge: ReadonlyMap<string, string>,
  { observed, hasPods, ownerOf, wasEnforced }: PostponeContext,
): boolean {
  // A cover allows everything: a direction that only covers isolate is open.
  const isolating = observed.filter(
    (each) => isolates(each.spec).includes(direction) && !isTransitionalCover(each),
  );
  if (!hasPods || isolating.some(({ spec }) => isolatesAll(spec, direction))) return false;
  const wanting = intents.filter(({ profile }) => profile.spec.isolation.includes(direction));
  const able = wanting.filter(({ profile }) => !tooLarge.has(profile.metadata.name));
  // Own policies also count if their profile leaves: the pods that they isolate would be open until the peer resolves.
  const hasBegun = isolating.some((each) => {
    const owner = ownerOf(each);
    return owner !== undefined && !tooLarge.has(owner);
  });
  if (hasBegun || able.some(({ profile: { metadata } }) => wasEnforced(metadata.name, direction)))
    return false;
  return able.length < wanting.length || able.every((each) => neverResolved(direction, each.compiled));
}

/** True if a rule of the direction has a peer that is unresolved and has no last known form. */
function neverResolved(direction: PolicyType, { unresolved }: Compiled): boolean {
  return unresolved.some((each) => each.direction === direction && !each.hasLastKnown);
}

function waitingFor(
  directions: readonly PolicyType[],
  compiled: Compiled,
  tooLarge: readonly string[],
): Failure {
  const state = `not isolated yet in ${listText(directions)}: pods run here, and`;
  if (directions.some((each) => neverResolved(each, compiled))) {
    const message = `${state} a rule has a peer that is unresolved, from which they would be cut off`;
    return { reason: 'PeersUnresolved', message, kind: 'waiting' };
  }
  const message = `${state} they would be cut off from what profile ${tooLarge.join(', ')} allows, which is too large to be written`;
  return { reason: 'PoliciesTooLarge', message, kind: 'waiting' };
}
