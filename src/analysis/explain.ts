/**
 * Why a flow is allowed or denied at each of its ends: the policies that isolate the pod, the rules that allow the
 * flow, and the profile's rule behind each. Pure.
 */
import type { LabelSelector, StringMap } from '../api/meta.ts';
import type { NetworkPolicy, NetworkPolicyPort, PolicyType } from '../api/network-policy.ts';
import { rulesOf } from '../policy/semantics/normalize.ts';
import { notesOf } from '../policy/notes.ts';
import { matches } from '../policy/semantics/selector.ts';
import { type ClusterView, type Flow, networkPodOf } from './cluster.ts';
import type { DirectionVerdict, Evaluator, Reason } from './evaluator.ts';
import type { LayerDecision, LayerVerdict } from './layers/decision.ts';
import type { LayeredEvaluator } from './layers/layered-evaluator.ts';
import {
  type CompiledPolicy,
  compilePolicy,
  type RemoteEnd,
  type Rule,
  selectsPort,
  selectsRemote,
} from './model/rules.ts';

/** Names a policy, or a rule of it, and says what it is for. */
export interface PolicyReference {
  readonly namespace: string;
  readonly policy: string;
  /** The profile that the policy belongs to; absent for a foreign policy. */
  readonly profile?: string;
  /** Index in the policy's `ingress` or `egress`; absent for the policy as a whole. */
  readonly index?: number;
  /** The profile's rule or connection, or `baseline.NAME`. */
  readonly rule?: string;
  /** Absent for a rule. */
  readonly ruleKind?: 'connection';
  /** The description of the profile's rule or connection, or the reason of the exception. */
  readonly description?: string;
  /** The SegmentationException that the rule is of, with its end as RFC 3339. */
  readonly exception?: { readonly name: string; readonly until: string };
}

/** The condition of a flow that a rule does not meet, although it meets the others. */
export type Gap =
  /** The rule is for other pods of the namespace. */
  | 'pods'
  /** The rule allows the peer on other ports. */
  | 'ports'
  /** The rule allows other peers on this port. */
  | 'peers';

export interface NearMiss extends PolicyReference {
  readonly gap: Gap;
  /** The pods that the policy is for, if `gap` is `pods`. */
  readonly podSelector?: LabelSelector;
  /** The ports that the rule allows, if `gap` is `ports`. */
  readonly ports?: readonly NetworkPolicyPort[];
}

export interface DirectionExplanation {
  readonly direction: PolicyType;
  /** True if the flow is certainly allowed at this end. */
  readonly allowed: boolean;
  /** How layers decide; absent if NetworkPolicies alone do, for the reason below. */
  readonly layer?: LayerDecision;
  readonly reason: Reason;
  /** The policies that isolate the pod in this direction. */
  readonly isolatedBy: readonly PolicyReference[];
  readonly allowedBy: readonly PolicyReference[];
  /** The rules of profiles that allow the flow on its own port, where a tunnel carries it: the policies of the tunnel stand for them. */
  readonly meantBy: readonly PolicyReference[];
  /** Rules of the pod's namespace that fail one condition only, if the flow is denied; the likeliest mistakes first. */
  readonly nearMisses: readonly NearMiss[];
}

export interface Explanation {
  /** True if the flow is certainly allowed. */
  readonly allowed: boolean;
  readonly verdict: LayerVerdict;
  /** The port on which the flow arrives, as a tunnel carries it; policies of the network decide about that one. */
  readonly tunnelPort?: number;
  readonly egress: DirectionExplanation;
  readonly ingress: DirectionExplanation;
}

/** Undefined for a decision of NetworkPolicies. */
function decidedBy(decision: LayerDecision): LayerDecision | undefined {
  return decision.by === undefined && decision.verdict !== 'unknown' ? undefined : decision;
}

const GAP_ORDER: readonly Gap[] = ['ports', 'peers', 'pods'];

export interface ExplainerOptions {
  readonly evaluator: Evaluator;
  /** Returns the name of the profile that a policy belongs to; undefined for a foreign policy. */
  readonly ownerOf: (policy: NetworkPolicy) => string | undefined;
  /** Absent if NetworkPolicies alone decide. */
  readonly layers?: LayeredEvaluator | undefined;
}

export class Explainer {
  readonly #evaluator: Evaluator;
  readonly #layers: LayeredEvaluator | undefined;
  readonly #ownerOf: (policy: NetworkPolicy) => string | undefined;
  readonly #labels: ReadonlyMap<string, StringMap>;
  readonly #policies: ReadonlyMap<string, readonly CompiledPolicy[]>;

  constructor(
    view: Pick<ClusterView, 'namespaces' | 'policies'>,
    { evaluator, ownerOf, layers }: ExplainerOptions,
  ) {
    this.#evaluator = evaluator;
    this.#layers = layers;
    this.#ownerOf = ownerOf;
    this.#labels = new Map(view.namespaces.map((each) => [each.name, each.labels]));
    this.#policies = Map.groupBy(view.policies.map(compilePolicy), ({ namespace }) => namespace);
  }

  explain(flow: Flow): Explanation {
    const verdictOf = (each: Flow) => this.#evaluator.verdict(each);
    const decision = this.#layers?.decide(flow, verdictOf);
    const base = decision?.base ?? verdictOf(flow);
    const decided = decision?.flow ?? flow;
    const verdict = decision?.verdict ?? (base.allowed ? 'allowed' : 'denied');
    const isCarried = decided.port !== flow.port;
    const ingress = isCarried ? verdictOf(flow).ingress : undefined;
    const explain = (direction: PolicyType, end: DirectionVerdict, meant?: DirectionVerdict) => {
      const layer = decision && decidedBy(decision.ends[direction]);
      return {
        ...this.#explainEnd(direction, end, decided),
        meantBy: this.#rulesOfProfiles(meant),
        ...(layer && { layer, allowed: layer.verdict === 'allowed' }),
      };
    };
    return {
      allowed: verdict === 'allowed',
      verdict,
      ...(isCarried && { tunnelPort: decided.port }),
      egress: explain('Egress', base.egress),
      ingress: explain('Ingress', base.ingress, ingress),
    };
  }

  #rulesOfProfiles(verdict: DirectionVerdict | undefined): PolicyReference[] {
    const allowing = (verdict?.allowedBy ?? []).map(({ policy, rule }) => this.#referenceTo(policy, rule));
    return allowing.filter(({ profile, rule }) => profile !== undefined && rule !== undefined);
  }

  #explainEnd(
    direction: PolicyType,
    verdict: DirectionVerdict,
    flow: Flow,
  ): Omit<DirectionExplanation, 'meantBy'> {
    return {
      direction,
      allowed: verdict.allowed,
      reason: verdict.reason,
      isolatedBy: verdict.policies.map((policy) => this.#referenceTo(policy)),
      allowedBy: verdict.allowedBy.map(({ policy, rule }) => this.#referenceTo(policy, rule)),
      nearMisses: verdict.allowed ? [] : this.#nearMisses(direction, flow),
    };
  }

  #referenceTo(policy: NetworkPolicy, index?: number): PolicyReference {
    const profile = this.#ownerOf(policy);
    const notes = profile === undefined || index === undefined ? [] : notesOf(policy);
    const { rule, kind, exception, until } = (index === undefined ? undefined : notes[index]) ?? {};
    const description = notes.find((note) => note?.rule === rule && note?.description)?.description;
    return {
      namespace: policy.metadata.namespace ?? 'default',
      policy: policy.metadata.name,
      ...(profile !== undefined && { profile }),
      ...(index !== undefined && { index }),
      ...(rule !== undefined && { rule }),
      ...(kind !== undefined && { ruleKind: kind }),
      ...(description !== undefined && { description }),
      ...(exception !== undefined && until !== undefined && { exception: { name: exception, until } }),
    };
  }

  #nearMisses(direction: PolicyType, flow: Flow): NearMiss[] {
    const [own, other] = direction === 'Ingress' ? [flow.to, flow.from] : [flow.from, flow.to];
    const pod = networkPodOf(own);
    if (pod === undefined) return [];
    const peer = networkPodOf(other);
    const remote: RemoteEnd = {
      pod: peer,
      namespaceLabels: peer === undefined ? {} : (this.#labels.get(peer.namespace) ?? {}),
      address: () => undefined,
    };
    const destination = networkPodOf(flow.to);
    const containerPorts = destination && (destination.ports ?? []);
    const found = (this.#policies.get(pod.namespace) ?? []).flatMap((policy) => {
      const isForPod = matches(policy.podSelector, pod.labels);
      return (policy[direction] ?? []).flatMap((rule, index): NearMiss[] => {
        const gap = gapOf(rule, {
          isForPod,
          isForPeer: selectsRemote(rule.peers, remote, { podsInIPBlocks: true }),
          isForPort: selectsPort(rule.ports, flow.port, flow.protocol, containerPorts),
        });
        return gap === undefined ? [] : [this.#nearMiss(policy, direction, index, gap)];
      });
    });
    return found.sort((a, b) => GAP_ORDER.indexOf(a.gap) - GAP_ORDER.indexOf(b.gap));
  }

  #nearMiss(
    { policy, podSelector }: CompiledPolicy,
    direction: PolicyType,
    index: number,
    gap: Gap,
  ): NearMiss {
    const ports = rulesOf(policy.spec, direction)[index]?.ports ?? [];
    return {
      ...this.#referenceTo(policy, index),
      gap,
      ...(gap === 'pods' && { podSelector }),
      ...(gap === 'ports' && { ports }),
    };
  }
}

interface Conditions {
  readonly isForPod: boolean;
  readonly isForPeer: boolean;
  readonly isForPort: boolean;
}

/** The one condition that a rule fails; undefined if it fails another number of them, or is too general to be a near miss. */
function gapOf({ peers, ports }: Rule, { isForPod, isForPeer, isForPort }: Conditions): Gap | undefined {
  if ([isForPod, isForPeer, isForPort].filter(Boolean).length !== 2) return undefined;
  // A rule for every peer says nothing of this one, nor a rule for every port of this port.
  if (!isForPod) return peers === 'any' ? undefined : 'pods';
  if (!isForPort) return 'ports';
  return ports === 'any' ? undefined : 'peers';
}
