/** Engines' own policies as NetworkPolicies, so that one evaluation compares all kinds. Pure. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Rank } from '../../analysis/model/peer-classes.ts';
import type { EngineRule, IdentifiedPod } from './engine-policy.ts';
import type { OwnedPolicy } from './kinds.ts';
import { type EnginePods, Marks } from './marks.ts';
import { ranksOf, StandIns } from './stand-ins.ts';

/** The rule of an engine's policy that a NetworkPolicy of the view stands for. */
export interface RuleSource {
  readonly policy: OwnedPolicy;
  readonly rule: EngineRule;
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
  const standIns = new StandIns(marks);
  const ranked = ranksOf(owned.flatMap(({ rules }) => rules.flatMap(({ order }) => order ?? [])));
  const sources = new Map<NetworkPolicy, RuleSource>();
  const ranks = new Map<NetworkPolicy, Rank>();
  const additive = new Set<NetworkPolicy>();
  for (const policy of owned) {
    for (const scope of policy.isolates) standIns.add(scope);
    for (const rule of policy.rules) {
      for (const made of standIns.add(rule, rule)) {
        sources.set(made, { policy, rule });
        additive.add(made);
        if (rule.order === undefined) continue;
        const { phase, tier, effect } = rule.order;
        ranks.set(made, { phase, rank: ranked.get(rule.order) ?? 0, tier, effect });
      }
    }
  }
  return { pods: marks.pods(), policies: standIns.policies, sources, ranks, additive };
}
