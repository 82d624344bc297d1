/**
 * Engines' own policies as NetworkPolicies, so that one evaluation compares all kinds. What an engine's selector selects
 * among the known pods becomes a label of these pods, which exists in this view only. Pure.
 */
import type { LabelSelector, StringMap } from '../../api/meta.ts';
import type { NetworkPolicy, NetworkPolicyPeer, PolicyType } from '../../api/network-policy.ts';
import type { Phase, Rank } from '../../analysis/model/peer-classes.ts';
import type { EnginePeer, EngineRule, IdentifiedPod, PodMatcher, RuleOrder } from './engine-policy.ts';
import type { OwnedPolicy } from './kinds.ts';

/** The rule of an engine's policy that a NetworkPolicy of the view stands for. */
export interface RuleSource {
  readonly policy: OwnedPolicy;
  readonly rule: EngineRule;
}

/** The pods that selectors are asked about. */
export interface EnginePods<P extends IdentifiedPod = IdentifiedPod> {
  readonly pods: readonly P[];
  /** The labels of a namespace, with the label of its name. */
  readonly labelsOf: (namespace: string) => StringMap;
}

export interface EngineView<P extends IdentifiedPod = IdentifiedPod> {
  /** The given pods, in their order, with further labels. */
  readonly pods: readonly P[];
  readonly policies: readonly NetworkPolicy[];
  readonly sources: ReadonlyMap<NetworkPolicy, RuleSource>;
  readonly ranks: ReadonlyMap<NetworkPolicy, Rank>;
  /** Policies that isolate no pod. */
  readonly additive: ReadonlySet<NetworkPolicy>;
}

export function engineView<P extends IdentifiedPod>(
  known: EnginePods<P>,
  owned: readonly OwnedPolicy[],
): EngineView<P> {
  const marks = new Marks(known);
  const ranked = owned.flatMap(({ rules }) => rules.flatMap(({ order }) => order ?? []));
  const orders = ranked.toSorted(compareOrders);
  const rankOf = (order: RuleOrder) => orders.findIndex((each) => compareOrders(each, order) === 0);
  const sources = new Map<NetworkPolicy, RuleSource>();
  const ranks = new Map<NetworkPolicy, Rank>();
  const additive = new Set<NetworkPolicy>();
  const policies: NetworkPolicy[] = [];
  const add = (subject: PodMatcher, direction: PolicyType, rule?: object): NetworkPolicy[] => {
    const { selector, namespaces } = marks.of(subject);
    const spec = {
      podSelector: selector,
      policyTypes: [direction],
      ...(rule && { [direction.toLowerCase()]: [rule] }),
    };
    const made = namespaces.map((namespace) => ({
      metadata: { namespace, name: `engine-policy-${policies.length}` },
      spec,
    }));
    policies.push(...made);
    return made;
  };
  for (const policy of owned) {
    for (const { subject, direction } of policy.isolates) add(subject, direction);
    for (const rule of policy.rules) {
      const { subject, direction, peers, ports, order } = rule;
      const written = {
        ...(peers !== 'any' && {
          [direction === 'Ingress' ? 'from' : 'to']: peers.map((peer) => peerOf(peer, marks)),
        }),
        ...(ports !== 'any' && { ports }),
      };
      for (const made of add(subject, direction, written)) {
        sources.set(made, { policy, rule });
        additive.add(made);
        if (order !== undefined) {
          const { phase, tier, effect } = order;
          ranks.set(made, { phase, rank: rankOf(order), tier, effect });
        }
      }
    }
  }
  return { pods: marks.pods(), policies, sources, ranks, additive };
}

function peerOf<P extends IdentifiedPod>(peer: EnginePeer, marks: Marks<P>): NetworkPolicyPeer {
  if (typeof peer !== 'function') return { ipBlock: peer };
  return { namespaceSelector: {}, podSelector: marks.of(peer).selector };
}

const PHASES: readonly Phase[] = ['before', 'after', 'fallback'];

function compareOrders(a: RuleOrder, b: RuleOrder): number {
  const [ours, others] = [a, b].map(({ phase, tier, place }) => [PHASES.indexOf(phase), tier, ...place]);
  for (const [index, value] of (ours ?? []).entries()) {
    const other = others?.[index] ?? Number.NEGATIVE_INFINITY;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

interface Mark {
  readonly selector: LabelSelector;
  /** The namespaces with a selected pod. */
  readonly namespaces: readonly string[];
}

/** Labels of pods that stand for what matchers select. */
class Marks<P extends IdentifiedPod> {
  readonly #known: EnginePods<P>;
  readonly #marks = new Map<PodMatcher, Mark>();
  readonly #labels = new Map<P, Record<string, string>>();

  constructor(known: EnginePods<P>) {
    this.#known = known;
  }

  of(matcher: PodMatcher): Mark {
    const known = this.#marks.get(matcher);
    if (known !== undefined) return known;
    const label = `engine-policy/${this.#marks.size}`;
    const namespaces = new Set<string>();
    for (const pod of this.#known.pods) {
      if (!matcher({ pod, namespaceLabels: this.#known.labelsOf(pod.namespace) })) continue;
      namespaces.add(pod.namespace);
      const labels = this.#labels.get(pod);
      if (labels === undefined) this.#labels.set(pod, { [label]: '' });
      else labels[label] = '';
    }
    const mark = { selector: { matchLabels: { [label]: '' } }, namespaces: [...namespaces] };
    this.#marks.set(matcher, mark);
    return mark;
  }

  pods(): P[] {
    return this.#known.pods.map((pod) => {
      const labels: StringMap | undefined = this.#labels.get(pod);
      return labels === undefined ? pod : { ...pod, labels: { ...pod.labels, ...labels } };
    });
  }
}
