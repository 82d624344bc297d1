/**
 * The writes that lead from the observed guard of a profile to the desired one. Pure.
 *
 * A guard is one object, so that each write is atomic. It is widened before NetworkPolicies change and narrowed after: at
 * every moment it passes what they allow. Should it be narrowed early, it still never cuts a flow that both the old
 * and the new intent allow (I2): both forms pass it.
 */
import { DIRECTIONS, type PolicyType } from '../../api/network-policy.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { type GuardCarrier, type GuardForm, ruleMeaning } from './carrier.ts';

export interface GuardPlan {
  /** The form to be written before NetworkPolicies change; undefined if the observed one is wide enough. */
  readonly widened: GuardForm | undefined;
  /** The form to be written after; undefined if nothing is to be guarded. */
  readonly final: GuardForm | undefined;
}

/**
 * @param observed undefined if there is no guard
 * @param unresolved directions with unresolved peers: nothing is denied there that the observed guard passes
 */
export function planGuard(
  observed: GuardForm | undefined,
  desired: GuardForm,
  {
    unresolved,
    carrier,
  }: { readonly unresolved: ReadonlySet<PolicyType>; readonly carrier: Pick<GuardCarrier, 'union'> },
): GuardPlan {
  const final = withKept(observed, desired, unresolved, carrier);
  if (observed === undefined) return { widened: undefined, final };
  const target = final ?? { subject: desired.subject, rules: {} };
  // Without room for the union, the guard takes its final form at once.
  const union = carrier.union(observed, target) ?? target;
  const widened = isSameForm(union, observed) ? undefined : union;
  return { widened, final };
}

/** True if both forms have the same meaning, whatever the names and order of their passes. */
export function isSameForm(a: GuardForm, b: GuardForm): boolean {
  return meaningOf(a) === meaningOf(b);
}

/** The desired form, in whose unresolved directions the observed passes stay. A direction that was not guarded stays so. */
function withKept(
  observed: GuardForm | undefined,
  desired: GuardForm,
  unresolved: ReadonlySet<PolicyType>,
  { union }: Pick<GuardCarrier, 'union'>,
): GuardForm | undefined {
  const rules: Partial<Record<PolicyType, readonly object[]>> = {};
  for (const direction of DIRECTIONS) {
    const own = desired.rules[direction];
    if (own === undefined) continue;
    const old = observed?.rules[direction];
    if (!unresolved.has(direction)) rules[direction] = own;
    else if (observed !== undefined && old !== undefined) {
      const only = (list: readonly object[]): GuardForm => ({
        subject: desired.subject,
        rules: { [direction]: list },
      });
      const both = union(only(old), only(own)) ?? only(old);
      // The order of passes means nothing: a guard that passes enough already is not written again.
      rules[direction] = isSameForm(both, only(old)) ? old : (both.rules[direction] ?? old);
    }
  }
  return Object.keys(rules).length === 0 ? undefined : { subject: desired.subject, rules };
}

function meaningOf({ subject, rules }: GuardForm): string {
  const directions = DIRECTIONS.map((direction) => rules[direction]?.map(ruleMeaning).sort());
  return canonicalJSON([subject, ...directions.map((each) => each ?? null)]);
}
