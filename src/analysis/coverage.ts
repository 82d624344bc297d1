/** How far NetworkPolicies cover the pods: which pods are isolated in which direction, and which rules allow everything. Pure. */
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import { isolates, rulesOf } from '../policy/semantics/normalize.ts';
import { networkPodOf, type ClusterView, type Pod } from './cluster.ts';
import { PolicyIndex } from './model/policy-index.ts';

export interface DirectionCoverage<P extends Pod = Pod> {
  /** Pods that a policy isolates in this direction. */
  readonly isolated: readonly P[];
  /** Pods that no policy isolates in this direction. */
  readonly open: readonly P[];
}

export interface NamespaceCoverage<P extends Pod = Pod> {
  /** Pods of the pod network. */
  readonly pods: readonly P[];
  /** Pods on the host network, to which no policy applies. */
  readonly host: readonly P[];
  readonly ingress: DirectionCoverage<P>;
  readonly egress: DirectionCoverage<P>;
  /** Rules that allow every peer on every port. */
  readonly unlimited: readonly UnlimitedRule[];
}

export interface UnlimitedRule {
  readonly policy: NetworkPolicy;
  readonly direction: PolicyType;
  /** Index in the policy's `ingress` or `egress`. */
  readonly rule: number;
}

/** The coverage of each namespace that the view lists, by name. */
export function coverage<P extends Pod>(
  view: Pick<ClusterView, 'namespaces' | 'policies'> & { readonly pods: readonly P[] },
): Map<string, NamespaceCoverage<P>> {
  const index = new PolicyIndex(view);
  const pods = Map.groupBy(view.pods, ({ namespace }) => namespace);
  const policies = Map.groupBy(view.policies, ({ metadata }) => metadata.namespace ?? 'default');
  const ofDirection = (direction: PolicyType, among: readonly P[]): DirectionCoverage<P> => {
    const groups = Map.groupBy(among, (pod) => index.selecting(direction, pod).length > 0);
    return { isolated: groups.get(true) ?? [], open: groups.get(false) ?? [] };
  };
  return new Map(
    view.namespaces.map(({ name }) => {
      const all = pods.get(name) ?? [];
      const inNetwork = all.filter((pod) => networkPodOf({ kind: 'pod', pod }) !== undefined);
      return [
        name,
        {
          pods: inNetwork,
          host: all.filter((pod) => networkPodOf({ kind: 'pod', pod }) === undefined),
          ingress: ofDirection('Ingress', inNetwork),
          egress: ofDirection('Egress', inNetwork),
          unlimited: (policies.get(name) ?? []).flatMap(unlimitedRules),
        },
      ];
    }),
  );
}

function unlimitedRules(policy: NetworkPolicy): UnlimitedRule[] {
  return isolates(policy.spec).flatMap((direction) =>
    rulesOf(policy.spec, direction).flatMap(({ peers, ports }, rule) =>
      peers === undefined && ports === undefined ? [{ policy, direction, rule }] : [],
    ),
  );
}
