/** From engines' own policies to the layers of an evaluation. Pure. */
import type { Pod } from '../../analysis/cluster.ts';
import type { LayeredView, LayerRule, StandInRole } from '../../analysis/layers/layered-view.ts';
import { DIRECTIONS, type NetworkPolicy } from '../../api/network-policy.ts';
import type { EnginePolicy, EngineRule, IdentifiedPod, RuleOrder, UnclearPart } from './engine-policy.ts';
import { type EnginePods, Marks } from './marks.ts';
import { ranksOf, StandIns } from './stand-ins.ts';

export interface LayerSettings<P> {
  /** False if an `ipBlock` matches no pod, as with Cilium. */
  readonly podsInIPBlocks: boolean;
  /** True for a pod that can be asked about without being among the known ones: it is derived from one of them. */
  readonly isIdentified: (pod: Pod) => pod is P & Pod;
}

export function layeredView<P extends IdentifiedPod>(
  known: EnginePods<P>,
  policies: readonly EnginePolicy[],
  { podsInIPBlocks, isIdentified }: LayerSettings<P>,
): LayeredView & { readonly pods: readonly P[] } {
  const marks = new Marks(known);
  const builder = new LayerBuilder(new StandIns(marks), policies);
  const pods = marks.pods();
  const marked = new Map<Pod, Pod>(known.pods.map((pod, index) => [pod, pods[index] ?? pod]));
  const podOf = (pod: Pod): Pod => {
    let found = marked.get(pod);
    if (found === undefined) marked.set(pod, (found = isIdentified(pod) ? marks.marked(pod) : pod));
    return found;
  };
  return { standIns: builder.standIns.policies, roles: builder.roles, podOf, podsInIPBlocks, pods };
}

class LayerBuilder<P extends IdentifiedPod> {
  readonly standIns: StandIns<P>;
  readonly roles = new Map<NetworkPolicy, StandInRole>();
  readonly #ranks: ReadonlyMap<RuleOrder, number>;
  readonly #gateRanks: ReadonlyMap<RuleOrder, number>;

  constructor(standIns: StandIns<P>, policies: readonly EnginePolicy[]) {
    this.standIns = standIns;
    this.#ranks = ranksOf(policies.flatMap(ordersOf));
    this.#gateRanks = ranksOf(policies.flatMap(({ gate }) => (gate === undefined ? [] : ordersOf(gate))));
    for (const policy of policies) this.#add(policy);
  }

  #add(policy: EnginePolicy): void {
    const { object, isolates, mayIsolate = [], gate } = policy;
    const scope = policy.isOfAnyNamespace === true ? {} : { namespace: object.namespace };
    for (const each of isolates)
      this.#put(this.standIns.add({ ...each, ...scope }), { kind: 'isolates', rule: { object, field: '' } });
    for (const { what, ...each } of mayIsolate) {
      const rule: LayerRule = { object, field: '', unknown: what };
      this.#put(this.standIns.add({ ...each, ...scope }), { kind: 'isolates', rule });
    }
    for (const each of rulesOf(policy))
      this.#put(this.standIns.add({ ...each, ...scope }, each), this.#roleOf(each, layerRule(object, each)));
    for (const { subject, peers, ports, by, what } of policy.tunnels ?? []) {
      const rule: LayerRule = { object, field: '', ...(what !== undefined && { unknown: what }) };
      const carrier = [{ protocol: 'TCP', port: by }] as const;
      for (const direction of DIRECTIONS) {
        const made = this.standIns.add(
          { subject, direction },
          { peers: [peers], ports },
          { peers: [peers], ports: carrier },
        );
        this.#put(made, { kind: 'tunnel', rule, port: by });
      }
    }
    for (const each of gate === undefined ? [] : rulesOf(gate)) {
      const rank = (each.order && this.#gateRanks.get(each.order)) ?? 0;
      const effect = each.order?.effect === 'deny' ? 'deny' : 'allow';
      const role = { kind: 'gate', rank, effect, rule: layerRule(object, each) } as const;
      this.#put(this.standIns.add({ ...each, ...scope }, each), role);
    }
  }

  #roleOf({ order }: EngineRule, rule: LayerRule): StandInRole {
    if (order === undefined) return { kind: 'adds', rule };
    const { phase, tier, effect, tie } = order;
    const rank = { phase, tier, effect, rank: this.#ranks.get(order) ?? 0, ...(tie && { tie }) };
    return { kind: 'ranked', rank, rule };
  }

  #put(made: readonly NetworkPolicy[], role: StandInRole): void {
    for (const policy of made) this.roles.set(policy, role);
  }
}

type Rules = Pick<EnginePolicy, 'rules' | 'unclear'>;

function rulesOf({ rules, unclear }: Rules): readonly (EngineRule | UnclearPart)[] {
  return [...rules, ...unclear];
}

function ordersOf(policy: Rules): RuleOrder[] {
  return rulesOf(policy).flatMap(({ order }) => order ?? []);
}

function layerRule(object: EnginePolicy['object'], rule: EngineRule | UnclearPart): LayerRule {
  const unknown = 'what' in rule ? rule.what : rule.within;
  return { object, field: rule.field, ...(unknown !== undefined && { unknown }) };
}
