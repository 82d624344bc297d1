/**
 * The matrix of flows that a probe tries: from its own pod to every target, on each port, protocol and address family,
 * each with the verdict that the NetworkPolicies in the canary's namespaces give it.
 *
 * The verdict is the evaluator's, of the policies that exist now. So a policy that somebody else writes there changes what
 * is expected, and raises no false alarm. Pure.
 */
import type { PolicyType, Protocol } from '../../api/network-policy.ts';
import type { ContainerPort, Endpoint, Namespace, Pod } from '../../analysis/cluster.ts';
import { compileView, type Evaluator } from '../../analysis/evaluator.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { type IPFamily, ipFamily } from '../../policy/semantics/cidr.ts';
import { compareText } from '../../util/order.ts';
import { FLIPPED_PORT, NAMED_PORT, PORTS } from './names.ts';

export type Side = 'inside' | 'outside';

/** A pod of the canary. */
export interface CanaryPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly node: string;
  readonly ips: readonly string[];
  readonly side: Side;
  /** True if the kubelet reports it Ready, and it is not being deleted. */
  readonly isReady: boolean;
}

/** A listener outside of the cluster, by its address. */
export interface AddressTarget {
  readonly address: string;
}

export type Target =
  | { readonly kind: 'pod'; readonly pod: CanaryPod }
  | ({ readonly kind: 'address' } & AddressTarget);

/** Unique among targets. */
export function targetId(target: Target): string {
  return target.kind === 'pod' ? target.pod.uid : target.address;
}

/** A pod as NAMESPACE/NAME, or an address. */
export function targetName(target: Target): string {
  return target.kind === 'pod' ? `${target.pod.namespace}/${target.pod.name}` : target.address;
}

/** The state of the canary's namespaces, as a probe knows it. */
export interface Surroundings {
  readonly self: CanaryPod;
  readonly pods: readonly CanaryPod[];
  readonly addresses: readonly AddressTarget[];
  readonly namespaces: readonly Namespace[];
  readonly policies: readonly NetworkPolicy[];
}

/** `allow`; or `deny`, with the directions in which policies deny the flow: the source's egress, the target's ingress. */
export type Expectation =
  | { readonly verdict: 'allow' }
  | { readonly verdict: 'deny'; readonly by: readonly PolicyType[] };

export interface PlannedFlow {
  /** Unique among the flows of a probe, and the same in each round. */
  readonly key: string;
  /** Flows of one group go from the same pod to the same target by the same protocol and family. */
  readonly group: string;
  readonly target: Target;
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly family: IPFamily;
  readonly expectation: Expectation;
}

/** Most targets that one round tries; further ones take turns, so that a round's cost is bounded on any cluster. */
export const MAX_TARGETS = 64;

/**
 * The targets of a probe in a round, in order of name. A probe is no target of its own, as a pod always reaches itself;
 * and probes outside don't try each other, as no policy of the canary decides about such a flow.
 */
export function targetsOf({ self, pods, addresses }: Surroundings, round: number): Target[] {
  const others = pods
    .filter(
      ({ uid, ips, side }) =>
        uid !== self.uid && ips.length > 0 && (side === 'inside' || self.side === 'inside'),
    )
    .sort((a, b) => compareText(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`))
    .map((pod): Target => ({ kind: 'pod', pod }));
  const all = [...others, ...addresses.map(({ address }): Target => ({ kind: 'address', address }))];
  if (all.length <= MAX_TARGETS) return all;
  const first = (round * MAX_TARGETS) % all.length;
  return [...all, ...all].slice(first, first + MAX_TARGETS);
}

/** The flows of a round, with what is expected of each. */
export function plannedFlows(surroundings: Surroundings, round: number): PlannedFlow[] {
  const evaluator = compileView(surroundings);
  return targetsOf(surroundings, round).flatMap((target) =>
    PORTS.flatMap(({ port, protocols }) =>
      protocols.flatMap((protocol) =>
        familiesOf(surroundings.self, target).map(([family, address]) =>
          plannedFlow(evaluator, surroundings.self, { target, address, port, protocol, family }),
        ),
      ),
    ),
  );
}

/** The flows to the flipped port of these pods, each by the first common family. */
export function flippedFlows(surroundings: Surroundings, pods: readonly CanaryPod[]): PlannedFlow[] {
  const evaluator = compileView(surroundings);
  return pods.flatMap((pod) => {
    const target: Target = { kind: 'pod', pod };
    const [first] = familiesOf(surroundings.self, target);
    if (first === undefined) return [];
    const [family, address] = first;
    const flow = { target, address, port: FLIPPED_PORT, protocol: 'TCP', family } as const;
    return [plannedFlow(evaluator, surroundings.self, flow)];
  });
}

function plannedFlow(
  evaluator: Evaluator,
  self: CanaryPod,
  flow: Omit<PlannedFlow, 'key' | 'group' | 'expectation'>,
): PlannedFlow {
  const { target, address, port, protocol, family } = flow;
  const to: Endpoint =
    target.kind === 'pod' ? { kind: 'pod', pod: evaluated(target.pod) } : { kind: 'external', ip: address };
  const from: Endpoint = { kind: 'pod', pod: evaluated(self) };
  const { egress, ingress } = evaluator.verdict({ from, to, port, protocol, family });
  const by: PolicyType[] = [
    ...(ingress.allowed ? [] : ['Ingress' as const]),
    ...(egress.allowed ? [] : ['Egress' as const]),
  ];
  const group = `${targetId(target)} ${protocol} ${family}`;
  return {
    ...flow,
    key: `${group} ${port}`,
    group,
    expectation: by.length === 0 ? { verdict: 'allow' } : { verdict: 'deny', by },
  };
}

/** The container ports of every pod in config/canary: the evaluator resolves the named one. */
const CONTAINER_PORTS: readonly ContainerPort[] = [
  { name: NAMED_PORT, containerPort: 8606, protocol: 'TCP' },
  { name: 'metrics', containerPort: 8080, protocol: 'TCP' },
];

function evaluated({ namespace, name, labels, ips, node }: CanaryPod): Pod {
  return { namespace, name, labels, ips, ports: CONTAINER_PORTS, node };
}

/** The families that both ends have, each with the target's address. */
function familiesOf(self: CanaryPod, target: Target): (readonly [IPFamily, string])[] {
  const own = new Set(self.ips.map(ipFamily));
  const addresses = target.kind === 'pod' ? target.pod.ips : [target.address];
  return addresses.flatMap((address) => {
    const family = ipFamily(address);
    return family !== undefined && own.has(family) ? [[family, address] as const] : [];
  });
}
