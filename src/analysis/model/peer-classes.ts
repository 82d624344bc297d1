/**
 * Divides the pods of a view into classes that all rules treat alike, at two levels. The classes of a namespace also tell
 * apart pods that only peers of the same namespace select. The classes of the cluster do not, so that namespaces with
 * equal policies share them. Pure.
 */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import type { IPFamily } from '../../policy/semantics/cidr.ts';
import { compareText } from '../../util/order.ts';
import { type ClusterView, networkPodOf, type Pod } from '../cluster.ts';
import { groupKey, type GroupName } from '../group.ts';
import { addressesOf } from './address-blocks.ts';
import { PeerNumbers } from './peer-numbers.ts';
import { PolicyIndex } from './policy-index.ts';
import { hasNames } from './ports.ts';
import type { CompiledPeer, CompiledPolicy, Rule } from './rules.ts';

/**
 * When the rules of an engine's own policy are asked: before NetworkPolicies, after them about what they do not allow, or
 * only for pods that none of them isolates.
 */
export type Phase = 'before' | 'after' | 'fallback';

/** The place of the rules of an engine's own policy among all others. */
export interface Rank {
  readonly phase: Phase;
  /** Rules of a lower rank are asked first, and ranks rise with the phase. The first rule that matches a flow decides. */
  readonly rank: number;
  /** Never falls while the rank rises. */
  readonly tier: number;
  /** `pass` leaves the decision to the next tier, and after the last one to the next phase. */
  readonly effect: 'allow' | 'deny' | 'pass';
  /** Absent if the order among the policies is known. */
  readonly tie?: RankTie;
}

/** Several policies of one place, of which nobody knows which is asked first. */
export interface RankTie {
  /** Equal for all policies of the place. */
  readonly among: string;
  /** Equal for the rules of one policy, whose order among each other is known. */
  readonly policy: string;
}

export interface RankedRules extends Rank {
  readonly rules: readonly Rule[];
}

/** The rules of a class's policies in one direction. */
export interface DirectionRules {
  /** True if a policy isolates the pods. */
  readonly isIsolated: boolean;
  /** In a class of the cluster, without peers of the pods' own namespace. */
  readonly rules: readonly Rule[];
  /** True if a policy that is not judged isolates the pods. */
  readonly isBaseIsolated: boolean;
  /** The rules of policies that are not judged. */
  readonly baseRules: readonly Rule[];
  /** The rules that are asked before those of NetworkPolicies, by rank. */
  readonly before: readonly RankedRules[];
  /** The rules that are asked about what NetworkPolicies leave open, by rank. */
  readonly later: readonly RankedRules[];
  /** Equal for equal rules. */
  readonly key: string;
}

/** Pods that all rules treat alike. */
export interface PeerClass {
  readonly number: number;
  /** A pod of the class. */
  readonly pod: Pod;
  /** False for pods on the host network, to which no policy applies. */
  readonly isSubject: boolean;
  /** The families of the pods' addresses; empty while they are pending. */
  readonly families: readonly IPFamily[];
  /** The groups of the pods by namespace, as indices in `PeerClasses.groups`. */
  readonly groups: ReadonlyMap<string, readonly number[]>;
  readonly by: Readonly<Record<PolicyType, DirectionRules>>;
  /** True if the peer selects the pods, or has their address of this family. */
  readonly isPeer: (peer: CompiledPeer, family: IPFamily) => boolean;
}

export interface PeerClassOptions {
  readonly judged: ReadonlySet<NetworkPolicy>;
  /** Policies that allow flows and isolate no pod. */
  readonly additive?: ReadonlySet<NetworkPolicy>;
  /** Policies of the view whose rules are asked in an order, and which isolate no pod. */
  readonly ranks?: ReadonlyMap<NetworkPolicy, Rank>;
  /** False if an `ipBlock` matches no pod, as with Cilium; true if absent. */
  readonly podsInIPBlocks?: boolean;
  readonly groupOf: (pod: Pod) => GroupName;
}

/** The families in which pods of two classes can talk. A pending pod may get an address of any family. */
export function commonFamilies(a: PeerClass, b: PeerClass): readonly IPFamily[] {
  if (a.families.length === 0) return b.families.length === 0 ? [4] : b.families;
  return b.families.length === 0 ? a.families : a.families.filter((family) => b.families.includes(family));
}

type Level = 'namespace' | 'cluster';

export class PeerClasses {
  /** Sorted by namespace and name. */
  readonly groups: readonly GroupName[];
  /** The rules of all policies that select a pod. */
  readonly rules: readonly Rule[];
  /** The classes of the cluster. */
  readonly ofCluster: readonly PeerClass[];
  readonly #options: PeerClassOptions;
  readonly #index: PolicyIndex;
  readonly #pods: ReadonlyMap<string, readonly Pod[]>;
  readonly #groupOf: ReadonlyMap<Pod, number>;
  readonly #peers: PeerNumbers;
  readonly #hasNames: boolean;
  readonly #policyNumbers: ReadonlyMap<CompiledPolicy, number>;
  readonly #compiled: ReadonlyMap<NetworkPolicy, CompiledPolicy>;
  readonly #byPolicies = new Map<string, DirectionRules>();
  readonly #shared = new Map<Rule, Rule | undefined>();
  readonly #texts = new Map<Rule, string>();
  readonly #ofNamespace = new Map<string, readonly PeerClass[]>();
  #made = 0;

  constructor(view: ClusterView, options: PeerClassOptions) {
    this.#options = options;
    this.#index = new PolicyIndex(view);
    this.#pods = Map.groupBy(view.pods, ({ namespace }) => namespace);
    const selecting = view.pods.flatMap((pod) => DIRECTIONS.flatMap((each) => this.#selecting(pod, each)));
    const policies = [...new Set(selecting)];
    this.#policyNumbers = new Map(policies.map((policy, index) => [policy, index]));
    this.#compiled = new Map(policies.map((each) => [each.policy, each]));
    this.rules = policies.flatMap((policy) => DIRECTIONS.flatMap((each) => policy[each] ?? []));
    this.#hasNames = this.rules.some(hasNames);
    const { podsInIPBlocks = true } = options;
    this.#peers = new PeerNumbers(this.rules, view.pods, this.#index, { podsInIPBlocks });
    const named = view.pods.map((pod) => [pod, options.groupOf(pod)] as const);
    const sorted = [...new Map(named.map(([, name]) => [groupKey(name), name]))].toSorted(([a], [b]) =>
      compareText(a, b),
    );
    this.groups = sorted.map(([, name]) => name);
    const numbers = new Map(sorted.map(([key], index) => [key, index]));
    this.#groupOf = new Map(named.map(([pod, name]) => [pod, numbers.get(groupKey(name)) ?? -1]));
    this.ofCluster = this.#classesOf(view.pods, 'cluster');
  }

  /** The classes of a namespace, built when they are first asked for. */
  ofNamespace(namespace: string): readonly PeerClass[] {
    let classes = this.#ofNamespace.get(namespace);
    if (classes === undefined) {
      classes = this.#classesOf(this.#pods.get(namespace) ?? [], 'namespace');
      this.#ofNamespace.set(namespace, classes);
    }
    return classes;
  }

  /** Undefined for a policy that selects no pod. */
  compiled(policy: NetworkPolicy): CompiledPolicy | undefined {
    return this.#compiled.get(policy);
  }

  /** The policies that select the pods of a class of a namespace. */
  selecting({ pod }: PeerClass, direction: PolicyType): readonly CompiledPolicy[] {
    return this.#selecting(pod, direction);
  }

  #selecting(pod: Pod, direction: PolicyType): readonly CompiledPolicy[] {
    return networkPodOf({ kind: 'pod', pod }) === undefined ? [] : this.#index.selecting(direction, pod);
  }

  #classesOf(pods: readonly Pod[], level: Level): PeerClass[] {
    return [...Map.groupBy(pods, (pod) => this.#keyOf(pod, level)).values()].flatMap((members) => {
      const [pod] = members;
      return pod === undefined ? [] : [this.#classOf(pod, members, level)];
    });
  }

  #keyOf(pod: Pod, level: Level): string {
    const families = addressesOf(pod).map(({ family }) => family);
    return JSON.stringify([
      networkPodOf({ kind: 'pod', pod }) !== undefined,
      families.join(),
      this.#peers.keyOf(pod, level === 'namespace'),
      DIRECTIONS.map((direction) => this.#rulesOf(pod, direction, level).key),
      this.#hasNames ? (pod.ports ?? []) : [],
    ]);
  }

  #classOf(pod: Pod, members: readonly Pod[], level: Level): PeerClass {
    const groups = new Map<string, readonly number[]>();
    for (const [namespace, pods] of Map.groupBy(members, (each) => each.namespace)) {
      groups.set(namespace, [...new Set(pods.map((each) => this.#groupOf.get(each) ?? -1))]);
    }
    const isPeer = this.#peers.matcherOf(pod, level === 'namespace');
    return {
      number: this.#made++,
      pod,
      isSubject: networkPodOf({ kind: 'pod', pod }) !== undefined,
      families: addressesOf(pod).map(({ family }) => family),
      groups,
      by: {
        Ingress: this.#rulesOf(pod, 'Ingress', level),
        Egress: this.#rulesOf(pod, 'Egress', level),
      },
      isPeer,
    };
  }

  #rulesOf(pod: Pod, direction: PolicyType, level: Level): DirectionRules {
    const policies = this.#selecting(pod, direction);
    const numbers = policies.map((policy) => this.#policyNumbers.get(policy)).join();
    const key = `${level} ${direction} ${numbers}`;
    let known = this.#byPolicies.get(key);
    if (known === undefined) {
      known = this.#directionRules(policies, direction, level === 'cluster');
      if (level === 'namespace') known = { ...known, key: numbers };
      this.#byPolicies.set(key, known);
    }
    return known;
  }

  #directionRules(
    policies: readonly CompiledPolicy[],
    direction: PolicyType,
    isShared: boolean,
  ): DirectionRules {
    const { judged, additive, ranks } = this.#options;
    const pool = policies.filter(({ policy }) => ranks?.has(policy) !== true);
    const base = pool.filter(({ policy }) => !judged.has(policy));
    const rulesOf = (list: readonly CompiledPolicy[]) =>
      list
        .flatMap((policy) => policy[direction] ?? [])
        .flatMap((rule) => (isShared ? (this.#withoutLocalPeers(rule) ?? []) : [rule]));
    const isolates = ({ policy }: CompiledPolicy) => additive?.has(policy) !== true;
    const [rules, baseRules] = [rulesOf(pool), rulesOf(base)];
    const [isIsolated, isBaseIsolated] = [pool.some(isolates), base.some(isolates)];
    const ranked = policies
      .flatMap((each): RankedRules[] => {
        const rank = ranks?.get(each.policy);
        return rank === undefined ? [] : [{ ...rank, rules: rulesOf([each]) }];
      })
      .toSorted((a, b) => a.rank - b.rank);
    const texts = (list: readonly Rule[]) => [...new Set(list.map((rule) => this.#textOf(rule)))].toSorted();
    const key = JSON.stringify([
      isIsolated,
      isBaseIsolated,
      texts(rules),
      texts(baseRules),
      ranked.map((each) => [each.phase, each.rank, each.tier, each.effect, texts(each.rules)]),
    ]);
    const before = ranked.filter(({ phase }) => phase === 'before');
    const later = ranked.filter(({ phase }) => phase === 'after' || (phase === 'fallback' && !isIsolated));
    return { isIsolated, rules, isBaseIsolated, baseRules, before, later, key };
  }

  /** The rule without peers of its policy's namespace; undefined if no peer is left. */
  #withoutLocalPeers(rule: Rule): Rule | undefined {
    if (rule.peers === 'any' || !rule.peers.some((peer) => this.#peers.isLocal(peer))) return rule;
    if (!this.#shared.has(rule)) {
      const peers = rule.peers.filter((peer) => !this.#peers.isLocal(peer));
      this.#shared.set(rule, peers.length === 0 ? undefined : { ...rule, peers });
    }
    return this.#shared.get(rule);
  }

  #textOf(rule: Rule): string {
    let text = this.#texts.get(rule);
    if (text === undefined) {
      const peers = rule.peers === 'any' ? 'any' : rule.peers.map((peer) => this.#peers.numberOf(peer));
      text = JSON.stringify([peers, rule.ports]);
      this.#texts.set(rule, text);
    }
    return text;
  }
}
