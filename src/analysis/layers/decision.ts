/** Decides by a chain of rules of which some are not known to match: all verdicts that are possible. Pure. */
import type { RankTie } from '../model/peer-classes.ts';
import type { LayerRule } from './layered-view.ts';
import { blocksOf, ordersOf } from './ties.ts';

export type Effect = 'allow' | 'deny' | 'pass';

/** A rule that matches a flow, or may match it. */
export interface Step {
  readonly effect: Effect;
  /** A rule to pass leaves the decision to the first rule of another tier. */
  readonly tier: number;
  /** True if nobody can tell if the rule matches. */
  readonly isUncertain: boolean;
  readonly rule: LayerRule;
  readonly tie?: RankTie | undefined;
}

/** The rule of a layer that decides a verdict; `undefined`: NetworkPolicies decide, or nothing denies. */
type Decider = LayerRule | undefined;

/** The possible verdicts, each with what decides it. At least one is there. */
export interface Possible {
  readonly allow?: { readonly by: Decider };
  readonly deny?: { readonly by: Decider };
  /** The rules on which it depends which verdict it is; empty for a single verdict. */
  readonly dependsOn: readonly LayerRule[];
}

export type LayerVerdict = 'allowed' | 'denied' | 'unknown';

/** The verdict of one end of a flow. */
export interface LayerDecision {
  readonly verdict: LayerVerdict;
  /** The rule of a layer that decides; absent if NetworkPolicies do, or if the verdict is unknown. */
  readonly by?: LayerRule;
  /** The rules on which an unknown verdict depends. */
  readonly dependsOn: readonly LayerRule[];
}

export const ALLOWED: Possible = { allow: { by: undefined }, dependsOn: [] };
export const DENIED: Possible = { deny: { by: undefined }, dependsOn: [] };

/**
 * The possible verdicts of a chain.
 *
 * @param steps the rules in the order in which they are asked
 * @param rest the possible verdicts if none of them decides
 */
export function decide(steps: readonly Step[], rest: Possible): Possible {
  let next = rest;
  let afterTier = rest;
  let tier: number | undefined;
  for (const block of blocksOf(steps).toReversed()) {
    const last = block.at(-1);
    if (last === undefined) continue;
    if (last.tier !== tier) afterTier = next;
    tier = last.tier;
    next = decideBlock(block, { next, afterTier });
  }
  return next;
}

/** The possible verdicts of rules of one tier in any order that a tie among them leaves open. */
function decideBlock(
  block: readonly Step[],
  { next, afterTier }: { readonly next: Possible; readonly afterTier: Possible },
): Possible {
  const decided = ordersOf(block).map((order) => ({
    rule: order[0]?.rule,
    possible: order.reduceRight<Possible>((after, { effect, isUncertain, rule }) => {
      const own = effect === 'pass' ? afterTier : { [effect]: { by: rule }, dependsOn: [] };
      return isUncertain ? either(own, after, rule) : own;
    }, next),
  }));
  const tied = decided.flatMap(({ rule }) => (rule === undefined ? [] : [{ ...rule, unknown: TIED }]));
  const [first, ...others] = decided.map(({ possible }) => possible);
  return others.reduce((a, b) => anyOf(a, b, tied), first ?? next);
}

/** The part of a rule that can't be evaluated if other policies are tied with its own. */
export const TIED = 'a priority that another policy has too';

/** The verdicts that are possible if it is not known which of two is right. @param rule on which it depends */
export function either(a: Possible, b: Possible, rule: LayerRule): Possible {
  return anyOf(a, b, [rule]);
}

/** @param on the rules on which it depends which of the two is right */
function anyOf(a: Possible, b: Possible, on: readonly LayerRule[]): Possible {
  const allow = b.allow ?? a.allow;
  const deny = b.deny ?? a.deny;
  const isSame =
    (a.allow !== undefined) === (b.allow !== undefined) && (a.deny !== undefined) === (b.deny !== undefined);
  const rules = allow === undefined || deny === undefined ? [] : [...a.dependsOn, ...b.dependsOn];
  return {
    ...(allow && { allow }),
    ...(deny && { deny }),
    dependsOn: isSame ? [...new Set(rules)] : [...new Set([...on, ...rules])],
  };
}

/** The decision about a flow that two decisions have to allow. If both do, the first is named. */
export function both(a: LayerDecision, b: LayerDecision): LayerDecision {
  if (a.verdict === 'denied') return a;
  if (b.verdict === 'denied') return b;
  const dependsOn = [...a.dependsOn, ...b.dependsOn];
  if (dependsOn.length > 0) return { verdict: 'unknown', dependsOn };
  return { verdict: 'allowed', ...(a.by && { by: a.by }), dependsOn };
}

export function decisionOf({ allow, deny, dependsOn }: Possible): LayerDecision {
  if (allow !== undefined && deny !== undefined) return { verdict: 'unknown', dependsOn };
  const by = (allow ?? deny)?.by;
  return { verdict: allow === undefined ? 'denied' : 'allowed', ...(by && { by }), dependsOn: [] };
}
