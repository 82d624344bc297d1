/** The ports that are allowed between two ends under all layers, if some rules can't be evaluated: at least and at most. Pure. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import type { RankTie } from '../model/peer-classes.ts';
import type { PortMask } from '../model/ports.ts';
import type { CompiledPolicy, Rule } from '../model/rules.ts';
import type { Effect } from './decision.ts';
import { isUncertain, type StandInRole } from './layered-view.ts';
import { blocksOf, ordersOf } from './ties.ts';

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
  readonly rules: readonly Rule[];
  readonly role: StandInRole;
  readonly tie?: RankTie | undefined;
}

interface Tunnel {
  /** The rule for the ports behind the tunnel. */
  readonly behind: Rule;
  /** The rule for the port that carries them. */
  readonly by: Rule;
  readonly isUncertain: boolean;
}

/** The steps in blocks, each in every order that is possible. */
type Chain = readonly (readonly (readonly Step[])[])[];

const NONE: PortBounds = { least: 0n, most: 0n };
/** A mask with every bit. */
const EVERY: PortBounds = { least: -1n, most: -1n };

/** The rules of the policies that select one end, in the order in which they are asked. */
export class BoundsOfEnd {
  readonly #base: readonly Rule[];
  readonly #before: Chain;
  readonly #adding: Chain;
  readonly #after: Chain;
  /** The steps after NetworkPolicies if none of these isolates the end. */
  readonly #fallback: Chain;
  readonly #gate: Chain;
  readonly #tunnels: readonly Tunnel[];
  readonly #isolation: 'isolated' | 'open' | 'unknown';
  /** The policies of other kinds that isolate the end, or may. */
  readonly #isolators: readonly StandInRole[];

  constructor(
    policies: readonly CompiledPolicy[],
    direction: PolicyType,
    roles: ReadonlyMap<NetworkPolicy, StandInRole>,
  ) {
    const all = policies.map((policy) => ({
      role: roles.get(policy.policy),
      rules: policy[direction] ?? [],
    }));
    const steps = (isChosen: (role: StandInRole) => boolean): Chain =>
      blocksOf(
        all
          .flatMap(({ role, rules }) => (role !== undefined && isChosen(role) ? [{ role, rules }] : []))
          .toSorted((a, b) => rankOf(a.role) - rankOf(b.role))
          .map(({ role, rules }): Step => stepOf(role, rules)),
      ).map((block) => ordersOf(block));
    const inPhase = (...phases: readonly string[]) =>
      steps((role) => role.kind === 'ranked' && phases.includes(role.rank.phase));
    this.#base = all.flatMap(({ role, rules }) => (role === undefined ? rules : []));
    this.#before = inPhase('before');
    this.#adding = steps(({ kind }) => kind === 'adds');
    this.#after = inPhase('after');
    this.#fallback = inPhase('after', 'fallback');
    this.#gate = steps(({ kind }) => kind === 'gate');
    this.#tunnels = all.flatMap(({ role, rules: [behind, by] }): Tunnel[] =>
      role?.kind === 'tunnel' && behind !== undefined && by !== undefined
        ? [{ behind, by, isUncertain: isUncertain(role) }]
        : [],
    );
    const isolating = all.filter(({ role }) => role === undefined || role.kind === 'isolates');
    const isIsolated = isolating.some(({ role }) => role === undefined || !isUncertain(role));
    const isBaseIsolated = isolating.some(({ role }) => role === undefined);
    this.#isolators = isBaseIsolated ? [] : isolating.flatMap(({ role }) => role ?? []);
    this.#isolation = isIsolated ? 'isolated' : isolating.length === 0 ? 'open' : 'unknown';
  }

  /** The ports that are allowed with the other end. */
  with(other: OtherEnd): PortBounds {
    const every = { least: other.every, most: other.every };
    const base = maskOf(this.#base, 'allow', 'yes', other);
    const pool = merged(base, every, chained(this.#adding, this.#rest(other, every), other));
    const before = this.#carried(chained(this.#before, pool, other), other);
    const gate = chained(this.#gate, every, other);
    return { least: before.least & gate.least & other.every, most: before.most & gate.most & other.every };
  }

  /** The rules of layers that decide about some ports with the other end, or may; NetworkPolicies decide about the others. */
  deciders(other: OtherEnd): StandInRole[] {
    const found: StandInRole[] = [];
    const inTunnels = this.#tunnels
      .filter(
        ({ behind, isUncertain: isPossible }) => !isPossible && other.matchOf(behind, 'allow') === 'yes',
      )
      .reduce((ports, { behind }) => ports | other.portsOf(behind), 0n);
    const left = undecidedAfter(this.#before, other.every & ~inTunnels, other, found);
    const closed = left & ~maskOf(this.#base, 'allow', 'yes', other);
    const rest = undecidedAfter(this.#adding, closed, other, found);
    if (rest !== 0n) found.push(...this.#isolators);
    undecidedAfter(this.#isolation === 'isolated' ? this.#after : this.#fallback, rest, other, found);
    undecidedAfter(this.#gate, other.every, other, found);
    return found;
  }

  /** The ports that are allowed as tunnels carry them: those behind a tunnel as its own port. */
  #carried(direct: PortBounds, other: OtherEnd): PortBounds {
    return this.#tunnels.reduce((bounds, { behind, by, isUncertain: isPossible }) => {
      if (other.matchOf(behind, 'allow') !== 'yes') return bounds;
      const [ports, port] = [other.portsOf(behind), other.portsOf(by)];
      const through = (mask: PortMask) => (mask & ~ports) | ((mask & port) === 0n ? 0n : ports);
      const carried = { least: through(bounds.least), most: through(bounds.most) };
      return isPossible ? perhaps(bounds, carried) : carried;
    }, direct);
  }

  /** The ports that are allowed where no rule of NetworkPolicies, or beside them, allows. */
  #rest(other: OtherEnd, every: PortBounds): PortBounds {
    if (this.#isolation === 'open') return chained(this.#fallback, every, other);
    const closed = chained(this.#after, NONE, other);
    if (this.#isolation === 'isolated') return closed;
    const open = chained(this.#fallback, every, other);
    return { least: closed.least & open.least, most: closed.most | open.most };
  }
}

/** The ports that a chain of rules allows. @param rest the ports that are allowed where none of them decides */
function chained(blocks: Chain, rest: PortBounds, other: OtherEnd): PortBounds {
  let next = rest;
  let afterTier = rest;
  let tier: number | undefined;
  for (let index = blocks.length - 1; index >= 0; index--) {
    const [first, ...others] = blocks[index] ?? [];
    const last = first?.at(-1);
    if (first === undefined || last === undefined) continue;
    if (last.tier !== tier) afterTier = next;
    tier = last.tier;
    const after = { next, afterTier };
    next = inOrder(first, after, other);
    for (const order of others) next = perhaps(next, inOrder(order, after, other));
  }
  return next;
}

/** The ports about which a chain of rules decides nothing for certain. @param found gets the rules that decide, or may */
function undecidedAfter(chain: Chain, ports: PortMask, other: OtherEnd, found: StandInRole[]): PortMask {
  let undecided = ports;
  let passed: PortMask = 0n;
  let tier: number | undefined;
  for (const orders of chain) {
    for (const step of orders[0] ?? []) {
      if (step.tier !== tier) passed = 0n;
      tier = step.tier;
      const { effect } = step;
      const sure = maskOf(step.rules, effect, 'yes', other);
      const matched = (sure | maskOf(step.rules, effect, 'maybe', other)) & undecided & ~passed;
      // A rule to pass leaves the decision to others.
      if (matched !== 0n && effect !== 'pass') found.push(step.role);
      if (step.isUncertain || orders.length > 1) continue;
      if (effect === 'pass') passed |= sure;
      else undecided &= ~(sure & ~passed);
    }
  }
  return undecided;
}

/** The ports that rules of one tier allow if they are asked in this order. */
function inOrder(
  steps: readonly Step[],
  { next: rest, afterTier }: { readonly next: PortBounds; readonly afterTier: PortBounds },
  other: OtherEnd,
): PortBounds {
  let next = rest;
  for (let index = steps.length - 1; index >= 0; index--) {
    const step = steps[index];
    if (step === undefined) continue;
    const { effect } = step;
    const decided = effect === 'allow' ? EVERY : effect === 'deny' ? NONE : afterTier;
    const possible = maskOf(step.rules, effect, 'maybe', other);
    if (possible !== 0n) next = perhaps(merged(possible, decided, next), next);
    const sure = maskOf(step.rules, effect, 'yes', other);
    if (sure === 0n) continue;
    const own = merged(sure, decided, next);
    next = step.isUncertain ? perhaps(own, next) : own;
  }
  return next;
}

function maskOf(rules: readonly Rule[], effect: Effect, match: RuleMatch, other: OtherEnd): PortMask {
  let mask = 0n;
  for (const rule of rules) if (other.matchOf(rule, effect) === match) mask |= other.portsOf(rule);
  return mask;
}

function perhaps(a: PortBounds, b: PortBounds): PortBounds {
  return { least: a.least & b.least, most: a.most | b.most };
}

/** `inside` on the ports of the mask, and `outside` on all others. */
function merged(mask: PortMask, inside: PortBounds, outside: PortBounds): PortBounds {
  if (mask === 0n) return outside;
  return {
    least: (inside.least & mask) | (outside.least & ~mask),
    most: (inside.most & mask) | (outside.most & ~mask),
  };
}

function stepOf(role: StandInRole, rules: readonly Rule[]): Step {
  const [effect, tier]: [Effect, number] =
    role.kind === 'ranked'
      ? [role.rank.effect, role.rank.tier]
      : [role.kind === 'gate' ? role.effect : 'allow', 0];
  const tie = role.kind === 'ranked' ? role.rank.tie : undefined;
  return { effect, tier, isUncertain: isUncertain(role), rules, role, tie };
}

function rankOf(role: StandInRole): number {
  return role.kind === 'ranked' ? role.rank.rank : role.kind === 'gate' ? role.rank : 0;
}
