/**
 * The reach of a view: which groups of pods (workloads or namespaces) may talk to which, on which ports. It visits one
 * pod of each class that all policies treat alike, so that a thousand pods cost little more than their workloads.
 *
 * A reach leaves out the traffic of a pod with itself and with its own node, which every network plugin allows. Pure.
 */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../api/network-policy.ts';
import type { IPFamily } from '../policy/semantics/cidr.ts';
import {
  type AddressBlock,
  ANY_ADDRESS,
  blockOf,
  covers,
  coversBoth,
  overlaps,
} from './model/address-blocks.ts';
import { byKey, compareText } from '../util/order.ts';
import { type ClusterView, networkPodOf, type Pod } from './cluster.ts';
import type { EvaluatorOptions } from './evaluator.ts';
import { groupKey, type GroupName } from './group.ts';
import type { Effect } from './layers/decision.ts';
import { isUncertain, type LayeredView, type LayerObject, type StandInRole } from './layers/layered-view.ts';
import { BoundsOfEnd, type OtherEnd, type PortBounds, type RuleMatch } from './layers/port-bounds.ts';
import { classify, type PodClass } from './model/pod-classes.ts';
import { PolicyIndex } from './model/policy-index.ts';
import { formatRulePorts, type PortMask, type PortRange, PortSpace } from './model/ports.ts';
import { type CompiledPeer, compilePolicy, type CompiledPolicy, type Rule } from './model/rules.ts';

export interface Group extends GroupName {
  /** Number of pods; 0 for addresses. */
  readonly pods: number;
  /** Number of pods on the host network, to which no policy applies. */
  readonly hostNetwork: number;
  /** Number of pods that a policy isolates. */
  readonly isolated: Readonly<Record<PolicyType, number>>;
  /** The policies that select any of the pods, as indices in `policies`. */
  readonly selectedBy: Readonly<Record<PolicyType, readonly number[]>>;
}

/** The ports on which a group may connect to another. A pair of groups without an allowed port has no link. */
export interface GroupLink {
  /** Indices in `groups`. */
  readonly from: number;
  readonly to: number;
  /** The ports that are allowed between at least one pod of each group. */
  readonly ports: readonly PortRange[];
  /** The ports of which it is not known if they are allowed between any pods; absent if there are none. */
  readonly unknown?: readonly PortRange[];
  /** True if the allowed ports differ between pods of the groups. */
  readonly partial: boolean;
  /** The policies of other kinds that decide about ports of the link, or may, by kind and name; absent if there are none. */
  readonly layers?: readonly LayerObject[];
}

export interface ReachRule {
  /** The groups with a pod that is a peer of the rule, as indices in `groups`; `any` for a rule without peers. */
  readonly peers: readonly number[] | 'any';
  /** Text for people. */
  readonly ports: string;
}

export interface ReachPolicy {
  readonly policy: NetworkPolicy;
  /** The rules of each direction that the policy isolates, in the policy's order. */
  readonly Ingress?: readonly ReachRule[];
  readonly Egress?: readonly ReachRule[];
}

export interface Reach {
  /** Sorted by namespace and name; addresses are last. */
  readonly groups: readonly Group[];
  /** Sorted by `from`, then `to`. */
  readonly links: readonly GroupLink[];
  /** The policies that select any pod. */
  readonly policies: readonly ReachPolicy[];
}

export interface ReachOptions extends EvaluatorOptions {
  readonly groupOf: (pod: Pod) => GroupName;
  /** True if the pod stands for several, as the pod of a workload's template does. */
  readonly isTemplate?: (pod: Pod) => boolean;
  /** Other policies whose address blocks become groups too, so that two views can be compared. */
  readonly addressesOf?: readonly NetworkPolicy[];
  /** Only links with an end in one of these namespaces; all if absent. */
  readonly within?: ReadonlySet<string>;
  /** Links that the caller can hold; any number if absent. */
  readonly maxLinks?: number;
  /** True to name the policies of other kinds that decide about each link. */
  readonly namesLayers?: boolean;
  /** The roles of policies that stand for rules of other kinds; the pods then have the labels of their view. */
  readonly roles?: LayeredView['roles'];
}

/** More links are allowed than the caller can hold. */
export class TooManyLinksError extends Error {}

/** @throws TooManyLinksError */
export function computeReach(view: ClusterView, options: ReachOptions): Reach {
  return new ReachBuilder(view, options).result();
}

class ReachBuilder {
  readonly #names: readonly GroupName[];
  readonly #blocks: readonly AddressBlock[];
  /** NetworkPolicies. */
  readonly #policies: readonly CompiledPolicy[];
  readonly #roles: LayeredView['roles'];
  /** By the policies of a class. */
  readonly #bounds = {
    Ingress: new Map<readonly CompiledPolicy[], BoundsOfEnd>(),
    Egress: new Map<readonly CompiledPolicy[], BoundsOfEnd>(),
  };
  readonly #numbers: ReadonlyMap<CompiledPolicy, number>;
  /** Equal peers have equal keys. */
  readonly #peerKeys: ReadonlyMap<CompiledPeer, string>;
  readonly #classes: readonly PodClass[];
  readonly #ports: PortSpace;
  readonly #maxLinks: number;
  readonly #namesLayers: boolean;
  /** Equal lists of objects, once. */
  readonly #layerLists = new Map<string, readonly LayerObject[]>();
  /** By group: true if links between it and every other group are wanted. */
  readonly #isWanted: readonly boolean[];

  constructor(view: ClusterView, options: ReachOptions) {
    const { within, maxLinks = Infinity } = options;
    const index = new PolicyIndex(view);
    const subjects = view.pods.filter((pod) => networkPodOf({ kind: 'pod', pod }));
    const selecting = DIRECTIONS.flatMap((each) => subjects.flatMap((pod) => index.selecting(each, pod)));
    this.#roles = options.roles ?? new Map();
    const isStandIn = ({ policy }: CompiledPolicy) => this.#roles.has(policy);
    const all = [...new Set(selecting)].toSorted(
      (a, b) => Number(isStandIn(a)) - Number(isStandIn(b)) || compareText(policyKey(a), policyKey(b)),
    );
    this.#policies = all.filter((policy) => !isStandIn(policy));
    this.#numbers = new Map(all.map((policy, index) => [policy, index]));
    const rules = all.flatMap((policy) => DIRECTIONS.flatMap((each) => policy[each] ?? []));
    this.#ports = new PortSpace(rules, view.pods);
    this.#blocks = blocksOf([...rules, ...(options.addressesOf ?? []).flatMap(allRules)]);
    this.#peerKeys = keysOf(rules);
    const names = new Map(view.pods.map((pod) => [groupKey(options.groupOf(pod)), options.groupOf(pod)]));
    const sorted = [...names].toSorted(byKey);
    this.#names = sorted.map(([, name]) => name);
    this.#maxLinks = maxLinks;
    this.#namesLayers = options.namesLayers === true && this.#roles.size > 0;
    this.#isWanted = this.#names.map(
      ({ namespace }) => within === undefined || (namespace !== undefined && within.has(namespace)),
    );
    const groups = new Map(sorted.map(([key], index) => [key, index]));
    this.#classes = classify(view.pods, {
      groupOf: (pod) => groups.get(groupKey(options.groupOf(pod))) ?? -1,
      isTemplate: options.isTemplate ?? (() => false),
      matching: { podsInIPBlocks: options.podsInIPBlocks ?? true },
      index,
      policyNumbers: this.#numbers,
      peerKeys: this.#peerKeys,
    });
  }

  result(): Reach {
    return {
      groups: [...this.#podGroups(), ...this.#blockGroups()],
      links: [...this.#podLinks(), ...this.#blockLinks()].toSorted((a, b) => a.from - b.from || a.to - b.to),
      policies: this.#policies.map((policy) => this.#describe(policy)),
    };
  }

  #podGroups(): Group[] {
    const byGroup = Map.groupBy(this.#classes, ({ group }) => group);
    return this.#names.map((name, index) => {
      const classes = byGroup.get(index) ?? [];
      const count = (which: (each: PodClass) => boolean) =>
        classes.filter(which).reduce((sum, { pods }) => sum + pods, 0);
      const selectedBy = (direction: PolicyType) =>
        [...new Set(classes.flatMap(({ selecting }) => selecting[direction]))]
          .map((policy) => this.#numbers.get(policy) ?? -1)
          .filter((number) => number < this.#policies.length)
          .toSorted((a, b) => a - b);
      return {
        ...name,
        pods: count(() => true),
        hostNetwork: count(({ pod }) => pod.hostNetwork === true),
        isolated: {
          Ingress: count(({ selecting }) => selecting.Ingress.some((each) => this.#isolates(each))),
          Egress: count(({ selecting }) => selecting.Egress.some((each) => this.#isolates(each))),
        },
        selectedBy: { Ingress: selectedBy('Ingress'), Egress: selectedBy('Egress') },
      };
    });
  }

  /** True for a NetworkPolicy, and for what certainly isolates as one does. */
  #isolates({ policy }: CompiledPolicy): boolean {
    const role = this.#roles.get(policy);
    return role === undefined || (role.kind === 'isolates' && !isUncertain(role));
  }

  #blockGroups(): Group[] {
    const none = { Ingress: 0, Egress: 0 };
    const nobody = { Ingress: [], Egress: [] };
    return this.#blocks.map(({ text }) => ({
      kind: 'Addresses',
      name: text,
      pods: 0,
      hostNetwork: 0,
      isolated: none,
      selectedBy: nobody,
    }));
  }

  /** The links between groups of pods. The ports of a link are the union over the classes of its groups. */
  #podLinks(): GroupLink[] {
    const masks = new Map<IPFamily, { readonly out: PairMasks; readonly in: PairMasks }>();
    for (const family of [4, 6] as const) {
      masks.set(family, { out: this.#masks('Egress', family), in: this.#masks('Ingress', family) });
    }
    const links: GroupLink[] = [];
    const sources = Map.groupBy(this.#classes.entries(), ([, { group }]) => group);
    // A row of links at a time: the pairs of a large cluster are more than a map can hold.
    for (const [from, members] of sources) {
      const row = new Map<number, Union>();
      for (const [a, source] of members) {
        for (const [b, destination] of this.#classes.entries()) {
          const to = destination.group;
          if (this.#isWanted[from] !== true && this.#isWanted[to] !== true) continue;
          // A class of one pod has no other pod of its class to talk to.
          if (a === b && !source.hasSeveral) continue;
          let [least, most]: [PortMask, PortMask] = [0n, 0n];
          for (const family of familiesOf(source, destination)) {
            const both = masks.get(family);
            if (both === undefined) continue;
            const [out, into] = [both.out(a, b), both.in(b, a)];
            least |= out.least & into.least;
            most |= out.most & into.most;
          }
          const union = add(row, to, { least, most });
          if (this.#namesLayers && most !== 0n)
            for (const family of familiesOf(source, destination))
              for (const [direction, own, other] of [
                ['Egress', source, destination],
                ['Ingress', destination, source],
              ] as const)
                this.#addDeciders(union, own, direction, this.#endFor(own, direction, other, family));
        }
      }
      for (const [to, union] of row) links.push(...this.#link(from, to, union));
      if (links.length > this.#maxLinks) throw new TooManyLinksError(`more than ${this.#maxLinks} links`);
    }
    return links;
  }

  /** Returns a look-up of the ports that the policies of one class allow with another. Classes of equal policies share rows. */
  #masks(direction: PolicyType, family: IPFamily): PairMasks {
    const rows = new Map<string, readonly PortBounds[]>();
    const ofClass = this.#classes.map((own) => {
      const key = own.policyKeys[direction];
      let row = rows.get(key);
      if (row === undefined) {
        row = this.#classes.map((other) => this.#open(own, direction, other, family));
        rows.set(key, row);
      }
      return row;
    });
    return (own, other) => ofClass[own]?.[other] ?? NO_PORTS;
  }

  #open(own: PodClass, direction: PolicyType, other: PodClass, family: IPFamily): PortBounds {
    return this.#allowed(own.selecting[direction], direction, this.#endFor(own, direction, other, family));
  }

  /** The other end as the rules of a class see it. */
  #endFor(own: PodClass, direction: PolicyType, other: PodClass, family: IPFamily): OtherEnd {
    const destination = networkPodOf({ kind: 'pod', pod: direction === 'Ingress' ? own.pod : other.pod });
    const selects = (peer: CompiledPeer) =>
      other.peers.get(this.#peerKeys.get(peer) ?? '')?.includes(family) === true;
    const matchOf = ({ peers }: Rule) => (peers === 'any' || peers.some(selects) ? 'yes' : 'no');
    return this.#otherEnd(matchOf, destination && (destination.ports ?? []));
  }

  #otherEnd(matchOf: OtherEnd['matchOf'], containerPorts: Pod['ports']): OtherEnd {
    const portsOf = (rule: Rule) => this.#ports.maskOf(rule, containerPorts);
    return { matchOf, portsOf, every: this.#ports.every };
  }

  #addDeciders(union: Union, { selecting }: PodClass, direction: PolicyType, other: OtherEnd): void {
    const policies = selecting[direction];
    if (!policies.some(({ policy }) => this.#roles.has(policy))) return;
    for (const role of this.#boundsOf(policies, direction).deciders(other)) union.deciders.add(role);
  }

  /** The objects of the roles, sorted. */
  #objectsOf(roles: ReadonlySet<StandInRole>): readonly LayerObject[] {
    const byText = new Map(
      [...roles].map(({ rule: { object } }) => [
        JSON.stringify([object.kind, object.namespace, object.name]),
        object,
      ]),
    );
    const sorted = [...byText].toSorted(byKey);
    const key = sorted.map(([text]) => text).join();
    let list = this.#layerLists.get(key);
    if (list === undefined) this.#layerLists.set(key, (list = sorted.map(([, object]) => object)));
    return list;
  }

  #link(from: number, to: number, { least, most, partial, deciders }: Union): GroupLink[] {
    if (most === 0n) return [];
    const unknown = most & ~least;
    return [
      {
        from,
        to,
        ports: least === 0n ? [] : this.#ports.rangesOf(least),
        ...(unknown !== 0n && { unknown: this.#ports.rangesOf(unknown) }),
        partial,
        ...(deciders.size > 0 && { layers: this.#objectsOf(deciders) }),
      },
    ];
  }

  #blockLinks(): GroupLink[] {
    const width = this.#names.length;
    return this.#blocks.flatMap((block, index) =>
      DIRECTIONS.flatMap((direction) => {
        const union = new Map<number, Union>();
        for (const own of this.#classes) {
          const end = this.#blockEnd(own, direction, block);
          const bounds = this.#allowed(own.selecting[direction], direction, end);
          const each = add(union, own.group, bounds);
          if (this.#namesLayers && bounds.most !== 0n) this.#addDeciders(each, own, direction, end);
        }
        return [...union].flatMap(([group, each]) => {
          const [from, to] = direction === 'Ingress' ? [width + index, group] : [group, width + index];
          return this.#link(from, to, each);
        });
      }),
    );
  }

  /** Every address of the block as the rules of a class see it. */
  #blockEnd({ pod }: PodClass, direction: PolicyType, block: AddressBlock): OtherEnd {
    const named = direction === 'Ingress' ? (pod.ports ?? []) : undefined;
    return this.#otherEnd((rule, effect) => matchOfBlock(rule, effect, block), named);
  }

  #boundsOf(policies: readonly CompiledPolicy[], direction: PolicyType): BoundsOfEnd {
    const known = this.#bounds[direction];
    let bounds = known.get(policies);
    if (bounds === undefined)
      known.set(policies, (bounds = new BoundsOfEnd(policies, direction, this.#roles)));
    return bounds;
  }

  /** The ports that the policies of one end allow with another. */
  #allowed(policies: readonly CompiledPolicy[], direction: PolicyType, other: OtherEnd): PortBounds {
    const { matchOf, portsOf, every } = other;
    if (this.#roles.size > 0 && policies.some(({ policy }) => this.#roles.has(policy)))
      return this.#boundsOf(policies, direction).with(other);
    if (policies.length === 0) return { least: every, most: every };
    let open: PortMask = 0n;
    for (const policy of policies)
      for (const rule of policy[direction] ?? []) if (matchOf(rule, 'allow') === 'yes') open |= portsOf(rule);
    return { least: open, most: open };
  }

  #describe(compiled: CompiledPolicy): ReachPolicy {
    const { policy } = compiled;
    const rules = (direction: PolicyType) =>
      compiled[direction]?.map(({ peers }, index): ReachRule => {
        const raw = direction === 'Ingress' ? policy.spec.ingress : policy.spec.egress;
        return { peers: this.#groupsOf(peers), ports: formatRulePorts(raw?.[index]?.ports) };
      });
    const [ingress, egress] = [rules('Ingress'), rules('Egress')];
    return { policy, ...(ingress && { Ingress: ingress }), ...(egress && { Egress: egress }) };
  }

  #groupsOf(peers: Rule['peers']): ReachRule['peers'] {
    if (peers === 'any') return 'any';
    const keys = peers.map((peer) => this.#peerKeys.get(peer) ?? '');
    const groups = this.#classes
      .filter((each) => keys.some((key) => each.peers.has(key)))
      .map(({ group }) => group);
    const blocks = this.#blocks.flatMap((block, index) =>
      peers.some((peer) => covers(peer, block)) ? [this.#names.length + index] : [],
    );
    return [...new Set([...groups, ...blocks])];
  }
}

function allRules(policy: NetworkPolicy): Rule[] {
  const compiled = compilePolicy(policy);
  return DIRECTIONS.flatMap((each) => compiled[each] ?? []);
}

/** From the class whose policies decide and the class at the other end to the allowed ports. */
type PairMasks = (own: number, other: number) => PortBounds;

const NO_PORTS: PortBounds = { least: 0n, most: 0n };

interface Union {
  least: PortMask;
  most: PortMask;
  /** The ports of the first pair of classes, with which those of the others are compared. */
  readonly first: PortBounds;
  partial: boolean;
  /** The rules of layers that decide about some of the ports. */
  readonly deciders: Set<StandInRole>;
}

function add(union: Map<number, Union>, key: number, open: PortBounds): Union {
  const known = union.get(key);
  if (known === undefined) {
    const made = { ...open, first: open, partial: false, deciders: new Set<StandInRole>() };
    union.set(key, made);
    return made;
  }
  known.least |= open.least;
  known.most |= open.most;
  known.partial ||= open.least !== known.first.least || open.most !== known.first.most;
  return known;
}

/** Any address stands for those that no rule names. */
function matchOfBlock({ peers }: Rule, effect: Effect, block: AddressBlock): RuleMatch {
  if (peers === 'any') return 'yes';
  if (peers.some((peer) => covers(peer, block))) return 'yes';
  if (effect === 'allow') return coversBoth(peers, block) ? 'yes' : 'no';
  if (!peers.some((peer) => overlaps(peer, block))) return 'no';
  return effect === 'deny' ? 'yes' : 'maybe';
}

function keysOf(rules: readonly Rule[]): Map<CompiledPeer, string> {
  const peers = rules.flatMap((rule) => (rule.peers === 'any' ? [] : rule.peers));
  const text = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
  return new Map(peers.map((peer) => [peer, JSON.stringify(peer, text)]));
}

function blocksOf(rules: readonly Rule[]): AddressBlock[] {
  const peers = rules.flatMap(({ peers }) => (peers === 'any' ? [] : peers));
  // Rules of layers for all addresses outside are rules for any address.
  const named = peers.filter(
    (peer) => peer.kind !== 'ipBlock' || peer.isOutside !== true || peer.cidr.prefix > 0,
  );
  const written = named.map(blockOf).filter((block) => block !== undefined);
  const distinct = new Map([ANY_ADDRESS, ...written].map((block) => [block.text, block]));
  return [...distinct.values()];
}

/** The families in which pods of two classes can talk. A pending pod may get an address of any family. */
function familiesOf(from: PodClass, to: PodClass): readonly IPFamily[] {
  if (from.families.length === 0 && to.families.length === 0) return [4];
  if (from.families.length === 0) return to.families;
  if (to.families.length === 0) return from.families;
  return from.families.filter((family) => to.families.includes(family));
}

function policyKey({ namespace, policy }: CompiledPolicy): string {
  return JSON.stringify([namespace, policy.metadata.name]);
}
