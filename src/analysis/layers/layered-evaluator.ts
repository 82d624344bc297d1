/**
 * Decides if NetworkPolicies and all layers beside them allow a flow:
 *
 *   allowed = not denied before and (not isolated or allowed by NetworkPolicies or added) and let in by the gate
 *
 * A flow that a tunnel carries is decided about on the port of the tunnel, and at the gate on its own port. A verdict that
 * depends on a rule which can't be evaluated is unknown, with that rule. Where NetworkPolicies don't apply to an end (an
 * address, a pod on the host network, a pod to itself, a pod's own node), no layer does. Pure.
 */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import type { ClusterView, Endpoint, Flow } from '../cluster.ts';
import { compileView, type DirectionVerdict, type Evaluator, type Verdict } from '../evaluator.ts';
import {
  ALLOWED,
  both,
  decide,
  decisionOf,
  DENIED,
  either,
  type LayerDecision,
  type Possible,
  type Step,
} from './decision.ts';
import {
  isAllowing,
  isUncertain,
  type LayeredView,
  type LayerRule,
  type StandInRole,
} from './layered-view.ts';

/** The decisions about both ends of a flow, and about the whole. */
export interface FlowDecision extends LayerDecision {
  readonly ends: Readonly<Record<PolicyType, LayerDecision>>;
  /** The flow that NetworkPolicies decide about: the given one, or that of the tunnel which carries it. */
  readonly flow: Flow;
  /** The verdict of NetworkPolicies on that flow. */
  readonly base: Verdict;
}

/** Reasons for which no policy of any kind is asked. */
const EXEMPT = new Set(['NotSubject', 'Self', 'LocalNode']);

export class LayeredEvaluator {
  readonly #layers: LayeredView;
  /** Finds the stand-ins that select an end, and those whose rule matches. */
  readonly #finder: Evaluator;

  constructor(namespaces: ClusterView['namespaces'], layers: LayeredView) {
    this.#layers = layers;
    const { podsInIPBlocks } = layers;
    this.#finder = compileView({ namespaces, policies: layers.standIns }, { podsInIPBlocks });
  }

  /** @param baseOf the verdict of NetworkPolicies on a flow */
  decide(flow: Flow, baseOf: (flow: Flow) => Verdict): FlowDecision {
    const found = this.#find(flow);
    const tunnel = this.#tunnelOf(found);
    if (tunnel === undefined) return this.#decision(flow, baseOf(flow), found, found);
    const inTunnel = { ...flow, port: tunnel.port };
    const carried = this.#decision(inTunnel, baseOf(inTunnel), this.#find(inTunnel), found);
    if (!isUncertain(tunnel)) return carried;
    const direct = this.#decision(flow, baseOf(flow), found, found);
    const ends = {
      Ingress: perhaps(direct.ends.Ingress, carried.ends.Ingress, tunnel.rule),
      Egress: perhaps(direct.ends.Egress, carried.ends.Egress, tunnel.rule),
    };
    return { ...direct, ...both(ends.Egress, ends.Ingress), ends };
  }

  #find(flow: Flow): Verdict {
    return this.#finder.verdict({ ...flow, from: this.#marked(flow.from), to: this.#marked(flow.to) });
  }

  /** The tunnel that carries the flow, or may. */
  #tunnelOf({ ingress }: Verdict): (StandInRole & { readonly kind: 'tunnel' }) | undefined {
    const tunnels = ingress.allowedBy
      .filter(({ rule }) => rule === 0)
      .flatMap(({ policy }) => this.#layers.roles.get(policy) ?? [])
      .filter((role) => role.kind === 'tunnel');
    return tunnels.find((role) => !isUncertain(role)) ?? tunnels[0];
  }

  /** @param gate the stand-ins that match the flow where the gate is asked */
  #decision(flow: Flow, base: Verdict, found: Verdict, gate: Verdict): FlowDecision {
    const ends = {
      Ingress: this.#end(found.ingress, base.ingress, gate.ingress),
      Egress: this.#end(found.egress, base.egress, gate.egress),
    };
    return { ...both(ends.Egress, ends.Ingress), ends, flow, base };
  }

  /** The rules of layers that allow the flow at an end, or may, whatever else decides. */
  allowing(flow: Flow): Readonly<Record<PolicyType, readonly LayerRule[]>> {
    const found = this.#find(flow);
    const rulesOf = ({ allowedBy }: DirectionVerdict) =>
      this.#rolesOf(allowedBy.map(({ policy }) => policy)).flatMap((role) =>
        isAllowing(role) ? [role.rule] : [],
      );
    return { Ingress: rulesOf(found.ingress), Egress: rulesOf(found.egress) };
  }

  #marked(endpoint: Endpoint): Endpoint {
    return endpoint.kind === 'pod' ? { kind: 'pod', pod: this.#layers.podOf(endpoint.pod) } : endpoint;
  }

  #end(found: DirectionVerdict, base: DirectionVerdict, gate: DirectionVerdict): LayerDecision {
    if (EXEMPT.has(base.reason)) return NOTHING_KNOWN;
    const matching = this.#rolesOf(found.allowedBy.map(({ policy }) => policy));
    const isolating = this.#rolesOf(found.policies).filter(({ kind }) => kind === 'isolates');
    const before = stepsOf(matching, ['before']);
    const decision = decisionOf(decide(before, pooled(matching, isolating, base)));
    const gating = this.#rolesOf(gate.allowedBy.map(({ policy }) => policy));
    return both(decision, decisionOf(decide(gateOf(gating), ALLOWED)));
  }

  #rolesOf(policies: readonly NetworkPolicy[]): StandInRole[] {
    return [...new Set(policies)].flatMap((policy) => this.#layers.roles.get(policy) ?? []);
  }
}

/** The decision if it is not known which of two is right. @param on the rule on which it depends */
function perhaps(a: LayerDecision, b: LayerDecision, on: LayerRule): LayerDecision {
  const dependsOn = [...new Set([...a.dependsOn, ...b.dependsOn])];
  if (a.verdict !== b.verdict) return { verdict: 'unknown', dependsOn: [on, ...dependsOn] };
  return a.verdict === 'unknown' ? { ...a, dependsOn } : a;
}

const NOTHING_KNOWN: LayerDecision = { verdict: 'allowed', dependsOn: [] };

/** The possible verdicts of NetworkPolicies and what adds to them, with what comes after. */
function pooled(
  matching: readonly StandInRole[],
  isolating: readonly StandInRole[],
  base: DirectionVerdict,
): Possible {
  if (base.reason === 'Rule') return ALLOWED;
  const isolator = isolating.find((role) => !isUncertain(role));
  const closed = decide(
    stepsOf(matching, ['after']),
    isolator === undefined || base.isolated ? DENIED : { deny: { by: isolator.rule }, dependsOn: [] },
  );
  const open = () => decide(stepsOf(matching, ['after', 'fallback']), ALLOWED);
  const rest =
    base.isolated || isolator !== undefined
      ? closed
      : isolating.reduce<Possible>(
          (possible, { rule }) => either({ ...closed, deny: { by: rule } }, possible, rule),
          open(),
        );
  return decide(
    matching.flatMap((role) => (role.kind === 'adds' ? [stepOf(role, 'allow', 0)] : [])).sort(certainFirst),
    rest,
  );
}

function stepOf(role: StandInRole, effect: Step['effect'], tier: number): Step {
  const tie = role.kind === 'ranked' ? role.rank.tie : undefined;
  return { effect, tier, isUncertain: isUncertain(role), rule: role.rule, tie };
}

/** Among rules that only add, one that certainly matches decides. */
function certainFirst(a: Step, b: Step): number {
  return Number(a.isUncertain) - Number(b.isUncertain);
}

function stepsOf(roles: readonly StandInRole[], phases: readonly string[]): Step[] {
  return roles
    .flatMap((role) => (role.kind === 'ranked' && phases.includes(role.rank.phase) ? [role] : []))
    .toSorted((a, b) => a.rank.rank - b.rank.rank)
    .map((role) => stepOf(role, role.rank.effect, role.rank.tier));
}

function gateOf(roles: readonly StandInRole[]): Step[] {
  return roles
    .flatMap((role) => (role.kind === 'gate' ? [role] : []))
    .toSorted((a, b) => a.rank - b.rank)
    .map((role) => stepOf(role, role.effect, 0));
}
