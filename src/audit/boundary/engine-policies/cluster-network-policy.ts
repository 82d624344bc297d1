/**
 * ClusterNetworkPolicy, and its predecessor AdminNetworkPolicy (policy.networking.k8s.io). Rules of the Admin tier come
 * before NetworkPolicies, by priority and position. Those of the Baseline tier never decide about a pod that a
 * NetworkPolicy isolates, and so never about one that a profile isolates. Pure.
 */
import type { KubeObject } from '../../../api/meta.ts';
import type { NetworkPolicyPort, PolicyType } from '../../../api/network-policy.ts';
import { EVERYTHING } from '../../../policy/semantics/selector.ts';
import { listOf, type Raw, recordOf, selectorOf, textOf, textsOf } from '../../../policy/semantics/raw.ts';
import {
  bySelectors,
  type EnginePeer,
  type EnginePolicy,
  type EngineRule,
  type PodMatcher,
  PROTOCOLS,
  type UnclearPart,
} from './engine-policy.ts';

const EFFECTS: Readonly<Record<string, 'allow' | 'deny' | 'pass'>> = {
  Accept: 'allow',
  Allow: 'allow',
  Deny: 'deny',
  Pass: 'pass',
};

/** Engines have policies of their own after it. */
const ADMIN_TIER = 0;

/** `namespaces: SELECTOR`, or `pods: {namespaceSelector, podSelector}`. */
function podsOf({ namespaces, pods }: Raw): PodMatcher | undefined {
  if (namespaces !== undefined) return bySelectors(EVERYTHING, selectorOf(namespaces));
  if (pods === undefined) return undefined;
  const { podSelector, namespaceSelector } = recordOf(pods);
  return bySelectors(selectorOf(podSelector), selectorOf(namespaceSelector));
}

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
      ...(raw.some((peer) => peer['nodes'] !== undefined) ? ['nodes'] : []),
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

/** Undefined for a policy of the Baseline tier. */
export function clusterNetworkPolicy({ kind = '', metadata, ...rest }: KubeObject): EnginePolicy | undefined {
  const spec = recordOf((rest as Raw)['spec']);
  if (spec['tier'] === 'Baseline' || kind === 'BaselineAdminNetworkPolicy') return undefined;
  const subject = podsOf(recordOf(spec['subject'])) ?? (() => false);
  const priority = typeof spec['priority'] === 'number' ? spec['priority'] : 0;
  const rules: EngineRule[] = [];
  const unclear: UnclearPart[] = [];
  for (const direction of ['Ingress', 'Egress'] as readonly PolicyType[]) {
    for (const [index, each] of listOf(spec[direction.toLowerCase()]).entries()) {
      const rule = recordOf(each);
      const effect = EFFECTS[textOf(rule['action'])];
      if (effect === undefined) continue;
      const field = `spec.${direction.toLowerCase()}[${index}]`;
      const { peers, unclear: parts } = peersOf(listOf(rule[direction === 'Ingress' ? 'from' : 'to']));
      const order = { effect, place: [ADMIN_TIER, priority, index] };
      if (peers.length > 0) rules.push({ field, direction, subject, peers, ports: portsOf(rule), order });
      if (effect === 'allow') {
        unclear.push(...parts.map((what): UnclearPart => ({ field, direction, subject, what })));
      }
    }
  }
  return { object: { kind, name: metadata.name }, rules, unclear, isolates: [] };
}
