/**
 * Who may talk to whom, by groups of pods (workloads, or namespaces) instead of single pods, with the exact ports.
 * Pods that no policy tells apart are looked at once, so that a thousand pods cost little more than their workloads.
 *
 * Not part of it: a pod's traffic with itself, and with its own node, both of which every network plugin allows.
 */
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import type { Address, IPFamily } from '../policy/cidr.ts';
import { addressesOf, type AddressBlock, blockOf, covers } from './blocks.ts';
import { type ClusterView, networkPodOf, type Pod } from './cluster.ts';
import type { EvaluatorOptions } from './evaluator.ts';
import { matrix } from './matrix.ts';
import { PolicyIndex } from './policy-index.ts';
import { distinguishedPorts, EVERY_PORT, formatRulePorts, joinRanges, type PortRange } from './ports.ts';
import { type CompiledPeer, type CompiledPolicy, type Rule, selectsParty, selectsPort } from './rules.ts';

/** What a pod is counted as. */
export interface GroupName {
  /** Absent for addresses. */
  readonly namespace?: string;
  /** Deployment, Pod, Namespace, ... */
  readonly kind: string;
  readonly name: string;
}

export interface Group extends GroupName {
  /** None for addresses. */
  readonly pods: number;
  /** How many of the pods are of the host network, to which no policy applies. */
  readonly hostNetwork: number;
  /** How many of the pods some policy isolates. */
  readonly isolated: Readonly<Record<PolicyType, number>>;
  /** Indices in `policies` of those that select any of the pods. */
  readonly selectedBy: Readonly<Record<PolicyType, readonly number[]>>;
}

/** What may pass between two groups; there is none where nothing may. */
export interface Link {
  /** Indices in `groups`. */
  readonly from: number;
  readonly to: number;
  /** Those that may pass between at least one pod of each. */
  readonly ports: readonly PortRange[];
  /** Not the same for all of their pods. */
  readonly partial: boolean;
}

export interface ReachRule {
  /** Indices in `groups` of those of which some pod is a peer; or everything. */
  readonly peers: readonly number[] | 'any';
  /** For a person. */
  readonly ports: string;
}

export interface ReachPolicy {
  readonly policy: NetworkPolicy;
  /** The rules of each direction that the policy isolates, in its own order. */
  readonly Ingress?: readonly ReachRule[];
  readonly Egress?: readonly ReachRule[];
}

export interface Reach {
  /** Sorted by namespace and name; addresses come last. */
  readonly groups: readonly Group[];
  /** By `from`, then `to`. */
  readonly links: readonly Link[];
  /** Those that select any pod. */
  readonly policies: readonly ReachPolicy[];
}

export interface ReachOptions extends EvaluatorOptions {
  readonly groupOf: (pod: Pod) => GroupName;
  /** Whether the pod stands for several alike, as the one of a workload's template does. */
  readonly isTemplate?: (pod: Pod) => boolean;
}

const DIRECTIONS: readonly PolicyType[] = ['Ingress', 'Egress'];
/** How many members stand for a class: two, because what a pod may do to its like is not what it may do to itself. */
const SAMPLES = 2;

/** Pods of one group that no policy of the view tells apart. */
interface PodClass {
  readonly group: number;
  readonly samples: Pod[];
  readonly families: readonly IPFamily[];
  /** Keys of the peers that select these pods. */
  readonly peers: ReadonlySet<string>;
  readonly selecting: Readonly<Record<PolicyType, readonly CompiledPolicy[]>>;
  pods: number;
}

export function reach(view: ClusterView, options: ReachOptions): Reach {
  return new Aggregation(view, options).result();
}

class Aggregation {
  readonly #view: ClusterView;
  readonly #options: ReachOptions;
  readonly #index: PolicyIndex;
  readonly #names: readonly GroupName[];
  readonly #blocks: readonly AddressBlock[];
  readonly #policies: readonly CompiledPolicy[];
  readonly #peerKeys = new Map<CompiledPeer, string>();
  readonly #classes: readonly PodClass[];
  readonly #segments: readonly PortRange[];
  readonly #portSets = new Map<string, readonly PortRange[]>();

  constructor(view: ClusterView, options: ReachOptions) {
    this.#view = view;
    this.#options = options;
    this.#index = new PolicyIndex(view);
    const selecting = DIRECTIONS.flatMap((direction) =>
      view.pods.flatMap((pod) =>
        networkPodOf({ kind: 'pod', pod }) ? this.#index.selecting(direction, pod) : [],
      ),
    );
    this.#policies = [...new Set(selecting)].toSorted((a, b) => compare(policyKey(a), policyKey(b)));
    const rules = this.#policies.flatMap((policy) =>
      DIRECTIONS.flatMap((direction) => policy[direction] ?? []),
    );
    this.#segments = distinguishedPorts(rules, view.pods);
    this.#blocks = blocksOf(rules);
    const names = new Map(view.pods.map((pod) => [groupKey(options.groupOf(pod)), options.groupOf(pod)]));
    this.#names = [...names].toSorted(([a], [b]) => compare(a, b)).map(([, name]) => name);
    this.#classes = this.#classify(rules);
  }

  result(): Reach {
    const { podGroups, blockGroups } = this.#groups();
    return {
      groups: [...podGroups, ...blockGroups],
      links: [...this.#podLinks(), ...this.#blockLinks()].toSorted((a, b) => a.from - b.from || a.to - b.to),
      policies: this.#policies.map((policy) => this.#describe(policy)),
    };
  }

  #classify(rules: readonly Rule[]): PodClass[] {
    const peers = distinctPeers(rules, this.#peerKeys);
    const byName = rules.some(({ ports }) => ports !== 'any' && ports.some((port) => 'name' in port));
    const groups = new Map(this.#names.map((name, index) => [groupKey(name), index]));
    const numbers = new Map(this.#policies.map((policy, index) => [policy, index]));
    const classes = new Map<string, PodClass>();
    for (const original of this.#view.pods) {
      const { node: _node, ...pod } = original;
      const group = groups.get(groupKey(this.#options.groupOf(original))) ?? -1;
      const families = addressesOf(pod).map(({ family }) => family);
      const matching = new Map<string, string>();
      for (const [key, peer] of peers) {
        const selected = this.#selectedIn(peer, pod);
        if (selected !== undefined) matching.set(key, selected);
      }
      const subject = networkPodOf({ kind: 'pod', pod }) !== undefined;
      const selecting = (direction: PolicyType) => (subject ? this.#index.selecting(direction, pod) : []);
      const of = { Ingress: selecting('Ingress'), Egress: selecting('Egress') };
      const ids = DIRECTIONS.map((direction) => of[direction].map((policy) => numbers.get(policy)).join());
      const ports = byName ? JSON.stringify(pod.ports ?? []) : '';
      const key = JSON.stringify([group, subject, ids, ports, families, [...matching]]);
      const known = classes.get(key) ?? {
        group,
        samples: [],
        families,
        peers: new Set(matching.keys()),
        selecting: of,
        pods: 0,
      };
      classes.set(key, known);
      known.pods++;
      const like = this.#options.isTemplate?.(original) ? [{ ...pod, name: `${pod.name} (another)` }] : [];
      known.samples.push(...[pod, ...like].slice(0, SAMPLES - known.samples.length));
    }
    return [...classes.values()].toSorted((a, b) => a.group - b.group);
  }

  /** The families of those of the pod's addresses by which the peer selects it; undefined if it does not. */
  #selectedIn(peer: CompiledPeer, pod: Pod): string | undefined {
    const party = {
      pod: networkPodOf({ kind: 'pod', pod }),
      namespaceLabels: this.#index.labelsOf(pod.namespace),
    };
    const selects = (address: Address | undefined) =>
      selectsParty([peer], { ...party, address: () => address }, this.#options.podsInIPBlocks ?? true);
    if (peer.kind !== 'ipBlock') return selects(undefined) ? 'any' : undefined;
    const families = addressesOf(pod)
      .filter(selects)
      .map(({ family }) => family);
    return families.length > 0 ? families.join() : undefined;
  }

  #groups(): { podGroups: Group[]; blockGroups: Group[] } {
    const numbers = new Map(this.#policies.map((policy, index) => [policy, index]));
    const byGroup = Map.groupBy(this.#classes, ({ group }) => group);
    const podGroups = this.#names.map((name, index): Group => {
      const classes = byGroup.get(index) ?? [];
      const count = (which: (each: PodClass) => boolean) =>
        classes.filter(which).reduce((sum, { pods }) => sum + pods, 0);
      const selectedBy = (direction: PolicyType) =>
        [...new Set(classes.flatMap(({ selecting }) => selecting[direction]))]
          .map((policy) => numbers.get(policy) ?? -1)
          .toSorted((a, b) => a - b);
      return {
        ...name,
        pods: count(() => true),
        hostNetwork: count(({ samples: [pod] }) => pod?.hostNetwork === true),
        isolated: {
          Ingress: count(({ selecting }) => selecting.Ingress.length > 0),
          Egress: count(({ selecting }) => selecting.Egress.length > 0),
        },
        selectedBy: { Ingress: selectedBy('Ingress'), Egress: selectedBy('Egress') },
      };
    });
    const none = { pods: 0, hostNetwork: 0, isolated: { Ingress: 0, Egress: 0 } };
    const blockGroups = this.#blocks.map(
      ({ text }): Group => ({
        kind: 'Addresses',
        name: text,
        ...none,
        selectedBy: { Ingress: [], Egress: [] },
      }),
    );
    return { podGroups, blockGroups };
  }

  /** For each pair of groups, the union over their classes. */
  #podLinks(): Link[] {
    const samples = this.#classes.flatMap(({ samples }) => samples);
    const offsets: number[] = [];
    let next = 0;
    for (const { samples } of this.#classes) {
      offsets.push(next);
      next += samples.length;
    }
    const ports = this.#segments.map(({ protocol, from }) => ({ protocol, port: from }));
    const { podsInIPBlocks } = this.#options;
    const matrices = new Map(
      ([4, 6] as const).map((family) => [
        family,
        matrix(
          { ...this.#view, pods: samples },
          { ports, family, ...(podsInIPBlocks !== undefined && { podsInIPBlocks }) },
        ),
      ]),
    );
    const union = new Map<number, { sets: Set<string>; open: Set<number> }>();
    const width = this.#names.length;
    for (const [a, from] of this.#classes.entries()) {
      for (const [b, to] of this.#classes.entries()) {
        if (a === b && from.samples.length === 1) continue;
        const source = offsets[a] ?? 0;
        const destination = (offsets[b] ?? 0) + (a === b ? 1 : 0);
        const open: number[] = [];
        for (const family of familiesOf(from, to)) {
          const reachable = matrices.get(family);
          for (let segment = 0; segment < ports.length; segment++) {
            if (reachable?.allowed(source, destination, segment)) open.push(segment);
          }
        }
        const pair = from.group * width + to.group;
        const entry = union.get(pair) ?? { sets: new Set(), open: new Set() };
        entry.sets.add([...new Set(open)].toSorted((x, y) => x - y).join());
        for (const segment of open) entry.open.add(segment);
        union.set(pair, entry);
      }
    }
    return [...union].flatMap(([pair, { sets, open }]) => {
      if (open.size === 0) return [];
      const [from, to] = [Math.floor(pair / width), pair % width];
      return [{ from, to, ports: this.#portSet(open), partial: sets.size > 1 }];
    });
  }

  #blockLinks(): Link[] {
    const byGroup = Map.groupBy(this.#classes, ({ group }) => group);
    return [...byGroup].flatMap(([group, classes]) =>
      this.#blocks.flatMap((block, index) =>
        DIRECTIONS.flatMap((direction): Link[] => {
          const sets = classes.map((each) => this.#openTo(each, direction, block));
          const open = new Set(sets.flat());
          if (open.size === 0) return [];
          const other = this.#names.length + index;
          const [from, to] = direction === 'Ingress' ? [other, group] : [group, other];
          const partial = new Set(sets.map((set) => set.join())).size > 1;
          return [{ from, to, ports: this.#portSet(open), partial }];
        }),
      ),
    );
  }

  /** The segments on which all addresses of the block may be reached, or may reach the pods. */
  #openTo({ selecting, samples: [pod] }: PodClass, direction: PolicyType, block: AddressBlock): number[] {
    const policies = selecting[direction];
    const rules = policies
      .flatMap((policy) => policy[direction] ?? [])
      .filter(({ peers }) => peers === 'any' || peers.some((peer) => covers(peer, block)));
    const named = direction === 'Ingress' ? (pod?.ports ?? []) : undefined;
    return this.#segments.flatMap(({ protocol, from }, segment) =>
      policies.length === 0 || rules.some(({ ports }) => selectsPort(ports, from, protocol, named))
        ? [segment]
        : [],
    );
  }

  #portSet(open: ReadonlySet<number>): readonly PortRange[] {
    if (open.size === this.#segments.length) return EVERY_PORT;
    const sorted = [...open].toSorted((a, b) => a - b);
    const key = sorted.join();
    let ranges = this.#portSets.get(key);
    if (ranges === undefined) {
      ranges = joinRanges(sorted.flatMap((segment) => this.#segments[segment] ?? []));
      this.#portSets.set(key, ranges);
    }
    return ranges;
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
    const keys = new Set(peers.map((peer) => this.#peerKeys.get(peer) ?? ''));
    const groups = this.#classes.filter((each) => !keys.isDisjointFrom(each.peers)).map(({ group }) => group);
    const blocks = this.#blocks.flatMap((block, index) =>
      peers.some((peer) => covers(peer, block)) ? [this.#names.length + index] : [],
    );
    return [...new Set([...groups, ...blocks])];
  }
}

/** Peers that are written alike are one. Notes in `keys` which is which. */
function distinctPeers(rules: readonly Rule[], keys: Map<CompiledPeer, string>): Map<string, CompiledPeer> {
  const distinct = new Map<string, CompiledPeer>();
  for (const { peers } of rules) {
    if (peers === 'any') continue;
    for (const peer of peers) {
      const text = JSON.stringify(peer, (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}` : value,
      );
      keys.set(peer, text);
      distinct.set(text, peer);
    }
  }
  return distinct;
}

function blocksOf(rules: readonly Rule[]): AddressBlock[] {
  const peers = rules.flatMap(({ peers }) => (peers === 'any' ? [] : peers));
  const written = peers.map(blockOf).filter((block) => block !== undefined);
  const distinct = new Map([ANY_ADDRESS, ...written].map((block) => [block.text, block]));
  return [...distinct.values()];
}

const ANY_ADDRESS: AddressBlock = { text: 'any address', ranges: 'all' };

/** The families in which the pods of two classes can talk; one that is pending may get any address. */
function familiesOf(from: PodClass, to: PodClass): readonly IPFamily[] {
  if (from.families.length === 0 && to.families.length === 0) return [4];
  if (from.families.length === 0) return to.families;
  if (to.families.length === 0) return from.families;
  return from.families.filter((family) => to.families.includes(family));
}

function groupKey({ namespace = '', name, kind }: GroupName): string {
  return JSON.stringify([namespace, name, kind]);
}

function policyKey({ namespace, policy }: CompiledPolicy): string {
  return JSON.stringify([namespace, policy.metadata.name]);
}

/** By code unit: the same on every machine and locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
