/** The ports that are allowed between two ends under all layers, if some rules can't be evaluated: at least and at most. Pure. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import type { PortMask } from '../model/ports.ts';
import type { CompiledPolicy, Rule } from '../model/rules.ts';
import { isUncertain, type StandInRole } from './layered-view.ts';
import type { Effect } from './decision.ts';

export interface PortBounds {
  /** The ports that are certainly allowed. */
  readonly least: PortMask;
  /** Those, and the ports of which it is not known. */
  readonly most: PortMask;
}

export type RuleMatch = 'yes' | 'maybe' | 'no';

/** The other end of a flow, as rules see it. */
export interface OtherEnd {
  /** Allowing rules have to match all of the end, and denying ones a part of it, if it is a block of addresses. */
  readonly matchOf: (rule: Rule, effect: Effect) => RuleMatch;
  /** The ports of a rule. */
  readonly portsOf: (rule: Rule) => PortMask;
  readonly every: PortMask;
}

interface Step {
  readonly effect: Effect;
  readonly tier: number;
  readonly isUncertain: boolean;
  readonly mask: PortMask;
}

/** The ports that a chain of rules allows. @param rest the ports that are allowed where none of them decides */
function chained(steps: readonly Step[], rest: PortBounds): PortBounds {
  let next = rest;
  let afterTier = rest;
  let tier: number | undefined;
  for (const step of steps.toReversed()) {
    if (step.tier !== tier) afterTier = next;
    tier = step.tier;
    const { effect, mask } = step;
    const decided = { allow: EVERY, deny: NONE, pass: afterTier }[effect];
    const own = merged(mask, decided, next);
    next = step.isUncertain ? { least: next.least & own.least, most: next.most | own.most } : own;
  }
  return next;
}

/** `inside` on the ports of the mask, and `outside` on all others. */
function merged(mask: PortMask, inside: PortBounds, outside: PortBounds): PortBounds {
  return {
    least: (inside.least & mask) | (outside.least & ~mask),
    most: (inside.most & mask) | (outside.most & ~mask),
  };
}

const NONE: PortBounds = { least: 0n, most: 0n };
/** A mask with every bit. */
const EVERY: PortBounds = { least: -1n, most: -1n };

/**
 * The ports that the policies of one end allow with another.
 *
 * @param policies those that select the end
 */
export function portBounds(
  policies: readonly CompiledPolicy[],
  direction: PolicyType,
  { roles, other }: { readonly roles: ReadonlyMap<NetworkPolicy, StandInRole>; readonly other: OtherEnd },
): PortBounds {
  const found = policies.map((policy) => ({
    role: roles.get(policy.policy),
    rules: policy[direction] ?? [],
  }));
  const maskOf = (rules: readonly Rule[], effect: Effect, accepted: readonly RuleMatch[]) =>
    rules.reduce(
      (mask, rule) => (accepted.includes(other.matchOf(rule, effect)) ? mask | other.portsOf(rule) : mask),
      0n,
    );
  const steps = (isChosen: (role: StandInRole) => boolean) =>
    found
      .flatMap(({ role, rules }) => (role !== undefined && isChosen(role) ? [{ role, rules }] : []))
      .toSorted((a, b) => rankOf(a.role) - rankOf(b.role))
      .flatMap(({ role, rules }): Step[] => {
        const [effect, tier] = [effectOf(role), tierOf(role)];
        const [sure, possible] = [maskOf(rules, effect, ['yes']), maskOf(rules, effect, ['maybe'])];
        const step = { effect, tier };
        return [
          ...(sure === 0n ? [] : [{ ...step, mask: sure, isUncertain: isUncertain(role) }]),
          ...(possible === 0n ? [] : [{ ...step, mask: possible, isUncertain: true }]),
        ];
      });
  const inPhase = (...phases: readonly string[]) =>
    steps((role) => role.kind === 'ranked' && phases.includes(role.rank.phase));
  const closed = chained(inPhase('after'), NONE);
  const every = { least: other.every, most: other.every };
  const open = () => chained(inPhase('after', 'fallback'), every);
  const isolators = found.flatMap(({ role }) =>
    role === undefined || role.kind === 'isolates' ? [role] : [],
  );
  const isIsolated = isolators.some((role) => role === undefined || !isUncertain(role));
  const rest = isIsolated ? closed : isolators.length === 0 ? open() : either(closed, open());
  const base = found.reduce(
    (mask, { role, rules }) => (role === undefined ? mask | maskOf(rules, 'allow', ['yes']) : mask),
    0n,
  );
  const pool = merged(
    base,
    every,
    chained(
      steps(({ kind }) => kind === 'adds'),
      rest,
    ),
  );
  const before = chained(inPhase('before'), pool);
  const gate = chained(
    steps(({ kind }) => kind === 'gate'),
    every,
  );
  return { least: before.least & gate.least & other.every, most: before.most & gate.most & other.every };
}

function either(a: PortBounds, b: PortBounds): PortBounds {
  return { least: a.least & b.least, most: a.most | b.most };
}

function rankOf(role: StandInRole): number {
  return role.kind === 'ranked' ? role.rank.rank : role.kind === 'gate' ? role.rank : 0;
}

function tierOf(role: StandInRole): number {
  return role.kind === 'ranked' ? role.rank.tier : 0;
}

function effectOf(role: StandInRole): Effect {
  if (role.kind === 'ranked') return role.rank.effect;
  return role.kind === 'gate' ? role.effect : 'allow';
}
