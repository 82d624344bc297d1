/**
 * ClusterNetworkPolicy, and its predecessors AdminNetworkPolicy and BaselineAdminNetworkPolicy (policy.networking.k8s.io).
 * Rules of the Admin tier come before NetworkPolicies, by priority and position. Those of the Baseline tier decide about
 * pods that no policy isolates: never at the end of a flow that a profile isolates, but at the other end. Cilium departs
 * from it: it asks them about what NetworkPolicies leave open, isolated pods included. Pure.
 */
import type { KubeObject, LabelSelector } from '../../api/meta.ts';
import type { NetworkPolicyPort, PolicyType } from '../../api/network-policy.ts';
import { EVERYTHING } from '../../policy/semantics/selector.ts';
import { listOf, type Raw, recordOf, selectorOf, textOf, textsOf } from '../../policy/semantics/raw.ts';
import {
  bySelectors,
  type EnginePeer,
  type EnginePlaces,
  type EnginePolicy,
  type EngineRule,
  type PodMatcher,
  OUTSIDE,
  outsideAddresses,
  PROTOCOLS,
  type RuleOrder,
  type UnclearPart,
} from '../layers/engine-policy.ts';

const EFFECTS: Readonly<Record<string, 'allow' | 'deny' | 'pass'>> = {
  Accept: 'allow',
  Allow: 'allow',
  Deny: 'deny',
  Pass: 'pass',
};

/** Engines have policies of their own between the two. */
const TIERS = { Admin: 0, Baseline: 2 } as const;

export interface ClusterPolicyOptions {
  /** True if Cilium enforces the policy. */
  readonly onCilium: boolean;
  readonly places?: EnginePlaces | undefined;
}

/** `namespaces: SELECTOR`, or `pods: {namespaceSelector, podSelector}`. */
function podsOf({ namespaces, pods }: Raw): PodMatcher | undefined {
  if (namespaces !== undefined) return bySelectors(EVERYTHING, selectorOf(namespaces));
  if (pods === undefined) return undefined;
  const { podSelector, namespaceSelector } = recordOf(pods);
  return bySelectors(selectorOf(podSelector), selectorOf(namespaceSelector));
}

const NODES = 'nodes';

interface Peers {
  readonly peers: readonly EnginePeer[];
  readonly unclear: readonly string[];
}

function peersOf(list: readonly unknown[]): Peers {
  const raw = list.map(recordOf);
  return {
    peers: raw.flatMap(
      (peer): EnginePeer | EnginePeer[] =>
        podsOf(peer) ?? textsOf(peer['networks']).map((cidr) => ({ cidr })),
    ),
    unclear: [
      ...(raw.some((peer) => peer['nodes'] !== undefined) ? [NODES] : []),
      ...(raw.some((peer) => peer['domainNames'] !== undefined) ? ['domain names'] : []),
    ],
  };
}

/** An entry of `protocols` of a ClusterNetworkPolicy. */
function protocolPorts(entry: Raw): NetworkPolicyPort[] {
  const named = entry['destinationNamedPort'];
  if (typeof named === 'string') return PROTOCOLS.map((protocol) => ({ protocol, port: named }));
  return PROTOCOLS.flatMap((protocol) => {
    const own = entry[protocol.toLowerCase()];
    if (own === undefined) return [];
    const { number, range } = recordOf(recordOf(own)['destinationPort']);
    if (typeof number === 'number') return [{ protocol, port: number }];
    const { start, end } = recordOf(range);
    return typeof start === 'number' && typeof end === 'number'
      ? [{ protocol, port: start, endPort: end }]
      : [{ protocol }];
  });
}

/** An entry of `ports` of an AdminNetworkPolicy. */
function adminPorts({ portNumber, portRange, namedPort }: Raw): NetworkPolicyPort[] {
  if (typeof namedPort === 'string') return PROTOCOLS.map((protocol) => ({ protocol, port: namedPort }));
  const { protocol = 'TCP', port, start, end } = recordOf(portNumber ?? portRange);
  const known = PROTOCOLS.find((each) => each === protocol);
  if (known === undefined) return [];
  if (typeof port === 'number') return [{ protocol: known, port }];
  return typeof start === 'number' && typeof end === 'number'
    ? [{ protocol: known, port: start, endPort: end }]
    : [];
}

function portsOf({ protocols, ports }: Raw): EngineRule['ports'] {
  const found = [
    ...listOf(protocols).flatMap((entry) => protocolPorts(recordOf(entry))),
    ...listOf(ports).flatMap((entry) => adminPorts(recordOf(entry))),
  ];
  return listOf(protocols).length + listOf(ports).length === 0 ? 'any' : found;
}

function isEmpty({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
}

/** True if the peers are all pods and, for egress, all addresses: no peer of ingress can be an address. */
function areEveryone(list: readonly unknown[], direction: PolicyType): boolean {
  const raw = list.map(recordOf);
  const hasPods = raw.some(({ namespaces, pods }) => {
    if (namespaces !== undefined) return isEmpty(selectorOf(namespaces));
    const { podSelector, namespaceSelector } = recordOf(pods);
    return pods !== undefined && isEmpty(selectorOf(podSelector)) && isEmpty(selectorOf(namespaceSelector));
  });
  return (
    hasPods &&
    (direction === 'Ingress' || raw.some((peer) => textsOf(peer['networks']).includes('0.0.0.0/0')))
  );
}

export function clusterNetworkPolicy(
  { kind = '', metadata, ...rest }: KubeObject,
  { onCilium, places }: ClusterPolicyOptions,
): EnginePolicy {
  const spec = recordOf((rest as Raw)['spec']);
  const isBaseline = spec['tier'] === 'Baseline' || kind === 'BaselineAdminNetworkPolicy';
  const tier = TIERS[isBaseline ? 'Baseline' : 'Admin'];
  const phase = isBaseline ? (onCilium ? 'after' : 'fallback') : 'before';
  const subject = podsOf(recordOf(spec['subject'])) ?? (() => false);
  const priority = typeof spec['priority'] === 'number' ? spec['priority'] : 0;
  // Among policies of one priority, the API lets an engine apply any that matches.
  const tie = { among: `${tier} ${priority}`, policy: `${kind} ${metadata.name}` };
  const rules: EngineRule[] = [];
  const unclear: UnclearPart[] = [];
  const closes: EnginePolicy['isolates'][number][] = [];
  for (const direction of ['Ingress', 'Egress'] as readonly PolicyType[]) {
    for (const [index, each] of listOf(spec[direction.toLowerCase()]).entries()) {
      const rule = recordOf(each);
      const effect = EFFECTS[textOf(rule['action'])];
      if (effect === undefined) continue;
      const field = `spec.${direction.toLowerCase()}[${index}]`;
      const list = listOf(rule[direction === 'Ingress' ? 'from' : 'to']);
      const { peers, unclear: parts } = peersOf(list);
      const ports = portsOf(rule);
      const order: RuleOrder = { phase, tier, effect, place: [priority, index], tie };
      if (peers.length > 0) rules.push({ field, direction, subject, peers, ports, order });
      if (effect === 'deny' && ports === 'any' && areEveryone(list, direction))
        closes.push({ direction, subject });
      const part = { field, direction, subject, ports, order };
      unclear.push(
        ...parts.map(
          (what): UnclearPart => ({
            ...part,
            what,
            peers: what === NODES && places ? outsideAddresses(places.nodes) : OUTSIDE,
          }),
        ),
      );
    }
  }
  return { object: { kind, name: metadata.name }, rules, unclear, isolates: [], closes };
}
