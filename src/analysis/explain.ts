/**
 * Why a flow passes or not, at each of its ends: the policies that isolate the pod, the rules that allow the flow, and
 * where a policy is a profile's, which rule of the profile that is. Pure.
 */
import type { LabelSelector } from '../api/meta.ts';
import type { NetworkPolicy, NetworkPolicyPort, PolicyType } from '../api/network-policy.ts';
import { rulesOf } from '../policy/semantics/normalize.ts';
import { notesOf } from '../policy/notes.ts';
import { matches } from '../policy/semantics/selector.ts';
import { type ClusterView, type Flow, networkPodOf } from './cluster.ts';
import type { DirectionVerdict, Evaluator, Reason } from './evaluator.ts';
import { compilePolicy, selectsRemote, selectsPort } from './model/rules.ts';

/** A policy or one of its rules, and what it is for. */
export interface PolicyReference {
  readonly namespace: string;
  readonly policy: string;
  /** The profile that it belongs to; absent for other people's policies. */
  readonly profile?: string;
  /** Index in the policy's `ingress` or `egress`; absent for the policy as a whole. */
  readonly index?: number;
  /** The profile's rule, or `baseline.NAME`. */
  readonly rule?: string;
  /** What the profile says that the rule is for. */
  readonly description?: string;
}

/** Why a rule that is close does not allow the flow. */
export type Gap =
  /** It is for other pods of the namespace. */
  | 'pods'
  /** It allows the peer on other ports. */
  | 'ports'
  /** It allows other peers on this port. */
  | 'peers';

export interface NearMiss extends PolicyReference {
  readonly gap: Gap;
  /** Whom the policy is for, where that is the gap. */
  readonly podSelector?: LabelSelector;
  /** What the rule allows, where that is the gap. */
  readonly ports?: readonly NetworkPolicyPort[];
}

export interface DirectionExplanation {
  readonly direction: PolicyType;
  readonly allowed: boolean;
  readonly reason: Reason;
  /** The policies that isolate the pod in this direction. */
  readonly isolatedBy: readonly PolicyReference[];
  readonly allowedBy: readonly PolicyReference[];
  /** Where nothing allows it: rules of the pod's namespace that miss it by one thing; closest first. */
  readonly nearMisses: readonly NearMiss[];
}

export interface Explanation {
  readonly allowed: boolean;
  readonly egress: DirectionExplanation;
  readonly ingress: DirectionExplanation;
}

export interface Explainer {
  explain(flow: Flow): Explanation;
}

/** @param ownerOf the name of the profile that a policy belongs to, if it is one's */
export function createExplainer(
  view: Pick<ClusterView, 'namespaces' | 'policies'>,
  evaluator: Evaluator,
  ownerOf: (policy: NetworkPolicy) => string | undefined,
): Explainer {
  const labels = new Map(view.namespaces.map((each) => [each.name, each.labels]));
  const byNamespace = Map.groupBy(view.policies, ({ metadata }) => metadata.namespace ?? 'default');

  const referenceTo = (policy: NetworkPolicy, index?: number): PolicyReference => {
    const profile = ownerOf(policy);
    const notes = profile === undefined || index === undefined ? [] : notesOf(policy);
    const rule = index === undefined ? undefined : notes[index]?.rule;
    const description = notes.find((note) => note?.rule === rule && note?.description)?.description;
    return {
      namespace: policy.metadata.namespace ?? 'default',
      policy: policy.metadata.name,
      ...(profile !== undefined && { profile }),
      ...(index !== undefined && { index }),
      ...(rule !== undefined && { rule }),
      ...(description !== undefined && { description }),
    };
  };

  const nearMisses = (direction: PolicyType, flow: Flow): NearMiss[] => {
    const [own, other] = direction === 'Ingress' ? [flow.to, flow.from] : [flow.from, flow.to];
    const pod = networkPodOf(own);
    if (pod === undefined) return [];
    const peer = networkPodOf(other);
    const remote = {
      pod: peer,
      namespaceLabels: peer === undefined ? {} : (labels.get(peer.namespace) ?? {}),
      address: () => undefined,
    };
    const destination = networkPodOf(flow.to);
    const found = (byNamespace.get(pod.namespace) ?? []).flatMap((policy): NearMiss[] => {
      const compiled = compilePolicy(policy);
      const forPod = matches(compiled.podSelector, pod.labels);
      return (compiled[direction] ?? []).flatMap(({ peers, ports }, index): NearMiss[] => {
        const forPeer = selectsRemote(peers, remote, true);
        const forPort = selectsPort(
          ports,
          flow.port,
          flow.protocol,
          destination && (destination.ports ?? []),
        );
        if ([forPod, forPeer, forPort].filter(Boolean).length !== 2) return [];
        const gap: Gap = !forPod ? 'pods' : !forPort ? 'ports' : 'peers';
        // A rule for other peers on any port is close to nothing.
        if (gap === 'peers' && ports === 'any') return [];
        // And so is one for other pods that everybody reaches.
        if (gap === 'pods' && peers === 'any') return [];
        const allowed = rulesOf(policy.spec, direction)[index]?.ports ?? [];
        return [
          {
            ...referenceTo(policy, index),
            gap,
            ...(gap === 'pods' && { podSelector: compiled.podSelector }),
            ...(gap === 'ports' && { ports: allowed }),
          },
        ];
      });
    });
    const rank: Readonly<Record<Gap, number>> = { ports: 0, peers: 1, pods: 2 };
    return found.sort((a, b) => rank[a.gap] - rank[b.gap]);
  };

  const explained = (direction: PolicyType, verdict: DirectionVerdict, flow: Flow): DirectionExplanation => ({
    direction,
    allowed: verdict.allowed,
    reason: verdict.reason,
    isolatedBy: verdict.policies.map((policy) => referenceTo(policy)),
    allowedBy: verdict.allowedBy.map(({ policy, rule }) => referenceTo(policy, rule)),
    nearMisses: verdict.allowed ? [] : nearMisses(direction, flow),
  });

  return {
    explain: (flow) => {
      const { allowed, egress, ingress } = evaluator.verdict(flow);
      return {
        allowed,
        egress: explained('Egress', egress, flow),
        ingress: explained('Ingress', ingress, flow),
      };
    },
  };
}
