/**
 * The reach of a view: which groups of pods (workloads or namespaces) may talk to which, on which ports. It visits one
 * pod of each class that all policies treat alike, so that a thousand pods cost little more than their workloads.
 *
 * A reach leaves out the traffic of a pod with itself and with its own node, which every network plugin allows. Pure.
 */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import type { IPFamily } from '../../policy/semantics/cidr.ts';
import { type AddressBlock, ANY_ADDRESS, blockOf, covers } from '../model/address-blocks.ts';
import { byKey, compareText } from '../../util/order.ts';
import { type ClusterView, networkPodOf, type Pod } from '../cluster.ts';
import type { EvaluatorOptions } from '../evaluator.ts';
import { groupKey, type GroupName } from '../group.ts';
import { isUncertain, type LayeredView, type LayerObject, type StandInRole } from '../layers/layered-view.ts';
import type { PortBounds } from '../layers/port-bounds.ts';
import { Ends } from './ends.ts';
import { add, addDeciders, addTo, type Union } from './union.ts';
import { ClassRows } from '../model/class-rows.ts';
import { InternedBounds, type KnownBounds } from '../model/interned-bounds.ts';
import { classify, type PodClass } from '../model/pod-classes.ts';
import { PolicyIndex } from '../model/policy-index.ts';
import { formatRulePorts, type PortRange, PortSpace } from '../model/ports.ts';
import { type CompiledPeer, compilePolicy, type CompiledPolicy, type Rule } from '../model/rules.ts';

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
  readonly #numbers: ReadonlyMap<CompiledPolicy, number>;
  /** Equal peers have equal keys. */
  readonly #peerKeys: ReadonlyMap<CompiledPeer, string>;
  readonly #classes: readonly PodClass[];
  /** The groups with pods that a peer selects, by the key of the peer. */
  readonly #groupsBySelection: ReadonlyMap<string, ReadonlySet<number>>;
  readonly #known = new InternedBounds();
  readonly #rows = new Map<IPFamily, RowsOfFamily>();
  readonly #ports: PortSpace;
  readonly #ends: Ends;
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
    this.#ends = new Ends({ ports: this.#ports, roles: this.#roles, peerKeys: this.#peerKeys });
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
    this.#groupsBySelection = groupsBySelection(this.#classes);
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
    const links: GroupLink[] = [];
    const groups = [...Map.groupBy(this.#classes.keys(), (index) => this.#classes[index]?.group ?? -1)];
    for (const [from, sources] of groups) {
      for (const [to, destinations] of groups) {
        if (this.#isWanted[from] !== true && this.#isWanted[to] !== true) continue;
        const union = this.#unionOf(sources, destinations);
        if (union !== undefined) links.push(...this.#link(from, to, union));
      }
      if (links.length > this.#maxLinks) throw new TooManyLinksError(`more than ${this.#maxLinks} links`);
    }
    return links;
  }

  /** The ports between classes of two groups; undefined if no two pods differ. */
  #unionOf(sources: readonly number[], destinations: readonly number[]): Union | undefined {
    let union: Union | undefined;
    for (const a of sources) {
      for (const b of destinations) {
        const [source, destination] = [this.#classes[a], this.#classes[b]];
        if (source === undefined || destination === undefined) continue;
        // A class of one pod has no other pod of its class to talk to.
        if (a === b && !source.hasSeveral) continue;
        let open: KnownBounds | undefined;
        for (const family of familiesOf(source, destination)) {
          const both = this.#between(a, b, family);
          open = open === undefined ? both : this.#known.either(open, both);
        }
        open ??= this.#known.of(NO_PORTS);
        if (union === undefined) union = { ...open, first: open, partial: false };
        else if (open !== union.first) addTo(union, open);
        if (this.#namesLayers && open.most !== 0n) this.#addDecidersBetween(union, a, b);
      }
    }
    return union;
  }

  /** The ports that the policies of both classes allow. */
  #between(source: number, destination: number, family: IPFamily): KnownBounds {
    const { Egress, Ingress } = this.#rowsOf(family);
    const out = Egress.at(source, destination);
    const into = Ingress.at(destination, source);
    return out === undefined || into === undefined
      ? this.#known.of(NO_PORTS)
      : this.#known.both(out.open, into.open);
  }

  #rowsOf(family: IPFamily): RowsOfFamily {
    let rows = this.#rows.get(family);
    if (rows === undefined) {
      const rowsOf = (direction: PolicyType) =>
        new ClassRows<EndDecision>(this.#classes, {
          direction,
          family,
          peerKeys: this.#peerKeys,
          decide: (own, other) => {
            const end = this.#ends.ofClass(own, direction, other, family);
            const policies = own.selecting[direction];
            const open = this.#known.of(this.#ends.allowed(policies, direction, end));
            return { open, ...(this.#namesLayers && { deciders: this.#ends.deciders(own, direction, end) }) };
          },
        });
      this.#rows.set(family, (rows = { Egress: rowsOf('Egress'), Ingress: rowsOf('Ingress') }));
    }
    return rows;
  }

  #addDecidersBetween(union: Union, a: number, b: number): void {
    const [source, destination] = [this.#classes[a], this.#classes[b]];
    if (source === undefined || destination === undefined) return;
    for (const family of familiesOf(source, destination)) {
      const { Egress, Ingress } = this.#rowsOf(family);
      addDeciders(union, Egress.at(a, b)?.deciders);
      addDeciders(union, Ingress.at(b, a)?.deciders);
    }
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
        ...(deciders !== undefined && deciders.size > 0 && { layers: this.#objectsOf(deciders) }),
      },
    ];
  }

  #blockLinks(): GroupLink[] {
    const width = this.#names.length;
    return this.#blocks.flatMap((block, index) =>
      DIRECTIONS.flatMap((direction) => {
        const union = new Map<number, Union>();
        for (const own of this.#classes) {
          const end = this.#ends.ofBlock(own, direction, block);
          const bounds = this.#ends.allowed(own.selecting[direction], direction, end);
          const each = add(union, own.group, bounds);
          if (this.#namesLayers && bounds.most !== 0n)
            addDeciders(each, this.#ends.deciders(own, direction, end));
        }
        return [...union].flatMap(([group, each]) => {
          const [from, to] = direction === 'Ingress' ? [width + index, group] : [group, width + index];
          return this.#link(from, to, each);
        });
      }),
    );
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
    const groups = keys.flatMap((key) => [...(this.#groupsBySelection.get(key) ?? [])]);
    const blocks = this.#blocks.flatMap((block, index) =>
      peers.some((peer) => covers(peer, block)) ? [this.#names.length + index] : [],
    );
    return [...new Set([...groups, ...blocks])].sort((a, b) => a - b);
  }
}

function allRules(policy: NetworkPolicy): Rule[] {
  const compiled = compilePolicy(policy);
  return DIRECTIONS.flatMap((each) => compiled[each] ?? []);
}

/** The decision of the policies of one class about another one. */
interface EndDecision {
  readonly open: KnownBounds;
  /** The rules of layers that decide about some ports; absent if there are none, or if nobody asks. */
  readonly deciders?: readonly StandInRole[] | undefined;
}

type RowsOfFamily = Readonly<Record<PolicyType, ClassRows<EndDecision>>>;

const NO_PORTS: PortBounds = { least: 0n, most: 0n };

function groupsBySelection(classes: readonly PodClass[]): ReadonlyMap<string, ReadonlySet<number>> {
  const found = new Map<string, Set<number>>();
  for (const { group, peers } of classes)
    for (const key of peers.keys()) {
      const known = found.get(key);
      if (known === undefined) found.set(key, new Set([group]));
      else known.add(group);
    }
  return found;
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

const ONLY_IPV4: readonly IPFamily[] = [4];
const ONLY_IPV6: readonly IPFamily[] = [6];
const BOTH_FAMILIES: readonly IPFamily[] = [4, 6];

/** The families in which pods of two classes can talk. A pending pod may get an address of any family. */
function familiesOf({ families: from }: PodClass, { families: to }: PodClass): readonly IPFamily[] {
  if (from.length === 0 && to.length === 0) return ONLY_IPV4;
  const has = (family: IPFamily) =>
    (from.length === 0 || from.includes(family)) && (to.length === 0 || to.includes(family));
  if (has(4)) return has(6) ? BOTH_FAMILIES : ONLY_IPV4;
  return has(6) ? ONLY_IPV6 : [];
}

function policyKey({ namespace, policy }: CompiledPolicy): string {
  return JSON.stringify([namespace, policy.metadata.name]);
}
