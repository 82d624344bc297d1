/** NetworkPolicies that stand for the rules of engines' own policies in an evaluation. Pure. */
import type { NetworkPolicy, NetworkPolicyPeer, PolicyType } from '../../api/network-policy.ts';
import type { Phase } from '../../analysis/model/peer-classes.ts';
import type { EnginePeer, EngineRule, IdentifiedPod, PodMatcher, RuleOrder } from './engine-policy.ts';
import type { Marks } from './marks.ts';

export interface Subject {
  readonly subject: PodMatcher;
  readonly direction: PolicyType;
  /** The namespace of all pods of the subject, if that is known. */
  readonly namespace?: string | undefined;
}

/** Collects stand-ins: one for each namespace with a pod of the subject. */
export class StandIns<P extends IdentifiedPod> {
  readonly policies: NetworkPolicy[] = [];
  readonly #marks: Marks<P>;

  constructor(marks: Marks<P>) {
    this.#marks = marks;
  }

  /** Without a rule, nothing is allowed. */
  add(
    { subject, direction, namespace }: Subject,
    ...rules: readonly Pick<EngineRule, 'peers' | 'ports'>[]
  ): NetworkPolicy[] {
    const { selector, namespaces } = this.#marks.of(subject, namespace);
    const spec = {
      podSelector: selector,
      policyTypes: [direction],
      ...(rules.length > 0 && {
        [direction.toLowerCase()]: rules.map((rule) => this.#written(rule, direction)),
      }),
    };
    const name = `engine-policy-${this.policies.length}`;
    const made = namespaces.map((place) => ({ metadata: { namespace: place, name }, spec }));
    this.policies.push(...made);
    return made;
  }

  #written({ peers, ports }: Pick<EngineRule, 'peers' | 'ports'>, direction: PolicyType): object {
    return {
      ...(peers !== 'any' && {
        [direction === 'Ingress' ? 'from' : 'to']: peers.map((peer) => this.#peer(peer)),
      }),
      ...(ports !== 'any' && { ports }),
    };
  }

  #peer(peer: EnginePeer): NetworkPolicyPeer {
    if (typeof peer !== 'function') return { ipBlock: peer };
    return this.#marks.of(peer).peer;
  }
}

const PHASES: readonly Phase[] = ['before', 'after', 'fallback'];

/** Negative, zero or positive as rules of the first place are asked before, with or after those of the second. */
export function compareOrders(a: RuleOrder, b: RuleOrder): number {
  const [ours, others] = [a, b].map(({ phase, tier, place }) => [PHASES.indexOf(phase), tier, ...place]);
  for (const [index, value] of (ours ?? []).entries()) {
    const other = others?.[index] ?? Number.NEGATIVE_INFINITY;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

/** The rank of each order among all: equal orders have one rank. */
export function ranksOf(orders: readonly RuleOrder[]): ReadonlyMap<RuleOrder, number> {
  const ranks = new Map<RuleOrder, number>();
  let last: RuleOrder | undefined;
  let rank = -1;
  for (const order of orders.toSorted(compareOrders)) {
    if (last === undefined || compareOrders(last, order) !== 0) rank += 1;
    ranks.set(order, rank);
    last = order;
  }
  return ranks;
}
