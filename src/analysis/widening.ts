/**
 * The flows that single policies open beyond all others or, if they deny, cut. Pure.
 *
 * A policy opens a flow if at one end of it the other policies isolate the pod and deny the flow, a rule of the policy
 * allows it there, and the other end allows it as well. So only pairs of which one pod is selected by a judged policy are
 * visited, and pods that all rules treat alike are visited once. `flowChanges` with and without the judged policies finds
 * the same flows, at the cost of all pairs.
 *
 * Policies of engines' own kinds are NetworkPolicies here, whose rules are asked before or after those of others (`ranks`).
 */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../api/network-policy.ts';
import { type IPFamily, parseCidr } from '../policy/semantics/cidr.ts';
import type { ClusterView, Pod } from './cluster.ts';
import type { GroupName } from './group.ts';
import { type AddressBlock, ANY_ADDRESS, blockOf, covers } from './model/address-blocks.ts';
import {
  commonFamilies,
  type DirectionRules,
  type PeerClass,
  PeerClasses,
  type PeerClassOptions,
  type Rank,
  type RankedRules,
} from './model/peer-classes.ts';
import { type PortMask, type PortRange, PortSpace } from './model/ports.ts';
import type { CompiledPeer, CompiledPolicy, Rule } from './model/rules.ts';

export interface ChangedFlow {
  readonly from: GroupName;
  readonly to: GroupName;
  /** The ports that are opened, or cut, between at least one pod of each group. */
  readonly ports: readonly PortRange[];
}

export interface Widening {
  readonly policy: NetworkPolicy;
  /** True if the policy denies flows that policies which are not judged allow. */
  readonly isCut: boolean;
  /** The first flows by source, then destination; addresses are last. */
  readonly flows: readonly ChangedFlow[];
  /** Number of pairs of groups with such a flow. */
  readonly total: number;
}

export interface WideningOptions extends PeerClassOptions {
  /** Flows that are returned of each policy; all if absent. */
  readonly most?: number;
}

/**
 * The judged policies that open or cut flows, in the order of the view. No judged policy counts as a reason why the flows of
 * another one are allowed. Traffic of a pod with its own node is left out.
 */
export function widenings(view: ClusterView, options: WideningOptions): Widening[] {
  const search = new WideningSearch(view, options);
  return view.policies.flatMap((policy) =>
    options.judged.has(policy) ? (search.wideningBy(policy) ?? []) : [],
  );
}

/** The rules of a policy for one direction. */
interface Part {
  readonly policy: CompiledPolicy;
  readonly direction: PolicyType;
  readonly rules: readonly Rule[];
  readonly blocks: readonly AddressBlock[];
  /** Rules of a lower rank come before those of the policy. */
  readonly place: Place;
  readonly isDeny: boolean;
}

type Place = Pick<Rank, 'phase' | 'rank' | 'tier'>;

/** The place of NetworkPolicies: after all rules of the phase before them. */
const LAST: Place = { phase: 'before', rank: Number.POSITIVE_INFINITY, tier: Number.POSITIVE_INFINITY };

class WideningSearch {
  readonly #classes: PeerClasses;
  readonly #ports: PortSpace;
  readonly #most: number;
  readonly #ranks: WideningOptions['ranks'];
  /** Ports that policies allow which are not judged, for pairs of classes of which one is in the namespace `#current`. */
  readonly #base = new Map<number, PortMask>();
  /** Ports that all policies of the other end allow, for the pairs of `#base`. */
  readonly #others = new Map<number, PortMask>();
  #current = '';

  constructor(view: ClusterView, options: WideningOptions) {
    this.#classes = new PeerClasses(view, options);
    this.#ports = new PortSpace(this.#classes.rules, view.pods);
    this.#ranks = options.ranks;
    this.#most = options.most ?? Number.POSITIVE_INFINITY;
  }

  wideningBy(policy: NetworkPolicy): Widening | undefined {
    const compiled = this.#classes.compiled(policy);
    if (compiled === undefined) return undefined;
    // Pairs of classes are asked for again by policies of the same namespace only.
    if (this.#current !== compiled.namespace) {
      this.#base.clear();
      this.#others.clear();
    }
    this.#current = compiled.namespace;
    const { effect, ...place }: Rank = this.#ranks?.get(policy) ?? { ...LAST, effect: 'allow' };
    const isDeny = effect === 'deny';
    // A denial after NetworkPolicies cuts nothing that these allow, and a fallback is never asked about isolated pods.
    if (effect === 'pass' || place.phase === 'fallback' || (isDeny && place.phase === 'after'))
      return undefined;
    const local = this.#classes.ofNamespace(compiled.namespace);
    const base = isDeny ? local.flatMap(({ by }) => DIRECTIONS.flatMap((each) => by[each].baseRules)) : [];
    const blocks = blocksOf([...DIRECTIONS.flatMap((each) => compiled[each] ?? []), ...base]);
    const pairs = new Pairs([
      ...this.#classes.groups,
      ...blocks.map(({ text }): GroupName => ({ kind: 'Addresses', name: text })),
    ]);
    for (const direction of DIRECTIONS) {
      const rules = compiled[direction] ?? [];
      if (rules.length === 0) continue;
      this.#collect({ policy: compiled, direction, rules, blocks, place, isDeny }, pairs);
    }
    if (pairs.size === 0) return undefined;
    return { policy, isCut: isDeny, flows: pairs.first(this.#most, this.#ports), total: pairs.size };
  }

  #collect(part: Part, pairs: Pairs): void {
    const { policy, direction } = part;
    const { namespace } = policy;
    const local = this.#classes.ofNamespace(namespace);
    for (const own of local) {
      if (!this.#classes.selecting(own, direction).includes(policy) || !own.by[direction].isBaseIsolated)
        continue;
      const groups = [...own.groups.values()].flat();
      const add = (others: readonly number[], mask: PortMask) =>
        mask === 0n ? undefined : pairs.add(direction, groups, others, mask);
      for (const other of local) {
        add([...other.groups.values()].flat(), this.#changedWith(own, other, part));
      }
      for (const other of this.#classes.ofCluster) {
        const isElsewhere = other.groups.size > (other.groups.has(namespace) ? 1 : 0);
        const mask = isElsewhere ? this.#changedWith(own, other, part) : 0n;
        if (mask === 0n) continue;
        for (const [name, others] of other.groups) if (name !== namespace) add(others, mask);
      }
      for (const [index, mask] of this.#changedToBlocks(own, part).entries()) {
        add([this.#classes.groups.length + index], mask);
      }
    }
  }

  /** The ports that the rules of the class `own` open, or cut, with another one. */
  #changedWith(own: PeerClass, other: PeerClass, part: Part): PortMask {
    const { direction, rules, place, isDeny } = part;
    let changed: PortMask = 0n;
    for (const family of commonFamilies(own, other)) {
      const pair = { own, other, direction, family };
      const matched = this.#allowedWith(rules, pair);
      if (matched === 0n) continue;
      const earlier = earlierThan(place, own.by[direction]);
      const decided = this.#decided(earlier, (list) => this.#allowedWith(list, pair), place);
      const effective = matched & ~decided.before;
      const base = this.#baseMask(pair);
      if (isDeny) changed |= effective & base & this.#otherBaseMask(pair);
      else if ((effective & ~base) !== 0n) changed |= effective & ~base & this.#otherMask(pair);
    }
    return changed;
  }

  /** How the ranked rules below a place decide. `before`: the ports on which they leave nothing to rules of the place. */
  #decided(
    ranked: readonly RankedRules[],
    portsOf: (rules: readonly Rule[]) => PortMask,
    place: Place,
  ): { readonly allowed: PortMask; readonly denied: PortMask; readonly before: PortMask } {
    const masks = { allow: 0n, deny: 0n, pass: 0n };
    let current: number | undefined;
    for (const { rank, tier, effect, rules } of ranked) {
      if (rank >= place.rank) break;
      if (tier !== current) masks.pass = 0n;
      current = tier;
      masks[effect] |= portsOf(rules) & ~(masks.allow | masks.deny | masks.pass);
    }
    const { allow, deny, pass } = masks;
    return { allowed: allow, denied: deny, before: allow | deny | (current === place.tier ? pass : 0n) };
  }

  /** The ports that the policies of `own` allow without the judged ones. */
  #baseMask(pair: ClassPair): PortMask {
    const { own, direction } = pair;
    return memoized(this.#base, pair, () => this.#allowedWith(own.by[direction].baseRules, pair));
  }

  /** The ports that all policies of `other` allow. */
  #otherMask(pair: ClassPair): PortMask {
    return memoized(this.#others, pair, () => {
      const reverse = reversed(pair);
      const { isIsolated, rules, before, later } = reverse.own.by[reverse.direction];
      const portsOf = (list: readonly Rule[]) => this.#allowedWith(list, reverse);
      const [first, last] = [this.#decided(before, portsOf, LAST), this.#decided(later, portsOf, LAST)];
      const byDefault = isIsolated ? 0n : this.#ports.every & ~last.denied;
      return first.allowed | ((portsOf(rules) | last.allowed | byDefault) & ~first.denied);
    });
  }

  /** The ports that the policies of `other` which are not judged allow. */
  #otherBaseMask(pair: ClassPair): PortMask {
    const reverse = reversed(pair);
    const { isBaseIsolated, baseRules } = reverse.own.by[reverse.direction];
    return isBaseIsolated ? this.#allowedWith(baseRules, reverse) : this.#ports.every;
  }

  #allowedWith(rules: readonly Rule[], { own, other, direction, family }: ClassPair): PortMask {
    const destination = direction === 'Ingress' ? own : other;
    const containerPorts = destination.isSubject ? (destination.pod.ports ?? []) : undefined;
    return this.#allowed(rules, (peer) => other.isPeer(peer, family), containerPorts);
  }

  /** The ports that are opened or cut with each block; none for a block on the ports of any address. */
  #changedToBlocks(own: PeerClass, { direction, rules, blocks, place, isDeny }: Part): PortMask[] {
    const containerPorts = direction === 'Ingress' ? (own.pod.ports ?? []) : undefined;
    const allowed = (list: readonly Rule[], block: AddressBlock) =>
      this.#allowed(list, (peer) => covers(peer, block), containerPorts);
    const { baseRules } = own.by[direction];
    const earlier = earlierThan(place, own.by[direction]);
    const masks = blocks.map((block) => {
      // Rules for all addresses of each of the pod's families are rules for any address.
      const parts = block === ANY_ADDRESS ? wholeBlocks(own) : [block];
      const common = (maskOf: (part: AddressBlock) => PortMask) =>
        parts.map(maskOf).reduce((all, mask) => all & mask, this.#ports.every);
      const before = common((part) => this.#decided(earlier, (list) => allowed(list, part), place).before);
      const base = common((part) => allowed(baseRules, part));
      const effective = common((part) => allowed(rules, part)) & ~before;
      return isDeny ? effective & base : effective & ~base;
    });
    return masks.map((mask, index) => (index > 0 && mask === masks[0] ? 0n : mask));
  }

  /** The ports of all rules that have a peer which `selects` accepts. */
  #allowed(
    rules: readonly Rule[],
    selects: (peer: CompiledPeer) => boolean,
    containerPorts: Pod['ports'],
  ): PortMask {
    let open: PortMask = 0n;
    for (const rule of rules) {
      if (rule.peers === 'any' || rule.peers.some(selects)) open |= this.#ports.maskOf(rule, containerPorts);
    }
    return open;
  }
}

/** The ranked rules that may be asked before those of a place. */
function earlierThan({ phase }: Place, { before, later }: DirectionRules): readonly RankedRules[] {
  return phase === 'before' ? before : [...before, ...later];
}

/** The class whose rules are asked, the class at the other end, and the direction of these rules. */
interface ClassPair {
  readonly own: PeerClass;
  readonly other: PeerClass;
  readonly direction: PolicyType;
  readonly family: IPFamily;
}

/** The pair as its other end sees it. */
function reversed({ own, other, direction, family }: ClassPair): ClassPair {
  return { own: other, other: own, direction: direction === 'Ingress' ? 'Egress' : 'Ingress', family };
}

/** Above every number of a class, so that two numbers make one key. */
const MANY = 2 ** 24;

function memoized(known: Map<number, PortMask>, pair: ClassPair, compute: () => PortMask): PortMask {
  const { own, other, direction, family } = pair;
  const key =
    (own.number * MANY + other.number) * 4 + (direction === 'Ingress' ? 0 : 2) + (family === 4 ? 0 : 1);
  let mask = known.get(key);
  if (mask === undefined) known.set(key, (mask = compute()));
  return mask;
}

/** The opened ports by pair of groups. */
class Pairs {
  readonly #groups: readonly GroupName[];
  /** By the number of the source times the number of groups, plus the number of the destination. */
  readonly #masks = new Map<number, PortMask>();

  constructor(groups: readonly GroupName[]) {
    this.#groups = groups;
  }

  get size(): number {
    return this.#masks.size;
  }

  add(direction: PolicyType, own: readonly number[], others: readonly number[], mask: PortMask): void {
    for (const a of own) {
      for (const b of others) {
        // A group of this kind has one pod, and a pod always reaches itself.
        if (a === b && this.#groups[a]?.kind === 'Pod') continue;
        const [from, to] = direction === 'Ingress' ? [b, a] : [a, b];
        const pair = from * this.#groups.length + to;
        this.#masks.set(pair, (this.#masks.get(pair) ?? 0n) | mask);
      }
    }
  }

  first(most: number, ports: PortSpace): ChangedFlow[] {
    const sorted = Float64Array.from(this.#masks.keys()).sort();
    return [...sorted.subarray(0, most)].flatMap((pair) => {
      const mask = this.#masks.get(pair) ?? 0n;
      const from = this.#groups[Math.floor(pair / this.#groups.length)];
      const to = this.#groups[pair % this.#groups.length];
      return from === undefined || to === undefined ? [] : [{ from, to, ports: ports.rangesOf(mask) }];
    });
  }
}

function wholeBlock(text: string): AddressBlock {
  const cidr = parseCidr(text);
  return { text, ranges: cidr === undefined ? 'all' : { cidr, except: [] } };
}

const EVERY_ADDRESS: Readonly<Record<IPFamily, AddressBlock>> = {
  4: wholeBlock('0.0.0.0/0'),
  6: wholeBlock('::/0'),
};

/** All addresses of each family that the pods have. */
function wholeBlocks({ families }: PeerClass): AddressBlock[] {
  const known: readonly IPFamily[] = families.length === 0 ? [4, 6] : families;
  return known.map((family) => EVERY_ADDRESS[family]);
}

/** Any address first, then the address blocks that the rules name. */
function blocksOf(rules: readonly Rule[]): AddressBlock[] {
  const written = rules
    .flatMap(({ peers }) => (peers === 'any' ? [] : peers))
    .flatMap((peer) => blockOf(peer) ?? []);
  return [...new Map([ANY_ADDRESS, ...written].map((block) => [block.text, block])).values()];
}
