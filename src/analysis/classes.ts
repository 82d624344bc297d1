/** Groups pods that no policy can tell apart, so that a question about a thousand pods is a question about a few. Pure. */
import type { LabelSelector } from '../api/meta.ts';
import type { NetworkPolicy, NetworkPolicyPeer, PolicyType, Protocol } from '../api/network-policy.ts';
import { containsAddress, parseAddress, parseCidr } from '../policy/cidr.ts';
import { rulesOf } from '../policy/normalize.ts';
import type { Pod } from './cluster.ts';

const BOTH: readonly PolicyType[] = ['Ingress', 'Egress'];
const LAST_PORT = 65_535;

/**
 * A function that gives pods the same text where every rule and selector of `policies` treats them alike. Nodes are not
 * looked at: whether a pod is on its peer's node matters only to traffic from the host network.
 */
export function classifier(policies: readonly NetworkPolicy[]): (pod: Pod) => string {
  const keys = new Set<string>();
  const ranges = new Map<string, (pod: Pod) => boolean>();
  const look = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}) => {
    for (const key of Object.keys(matchLabels)) keys.add(key);
    for (const { key } of matchExpressions) keys.add(key);
  };
  for (const { spec } of policies) {
    look(spec.podSelector);
    for (const { podSelector, ipBlock } of peersOf(spec)) {
      look(podSelector);
      for (const range of ipBlock ? [ipBlock.cidr, ...(ipBlock.except ?? [])] : []) {
        if (!ranges.has(range)) ranges.set(range, holds(range));
      }
    }
  }
  return (pod) =>
    JSON.stringify([
      pod.namespace,
      pod.hostNetwork === true,
      [...keys].map((key) => (Object.hasOwn(pod.labels, key) ? pod.labels[key] : null)),
      pod.ports ?? [],
      [...ranges.values()].map((isIn) => (isIn(pod) ? 1 : 0)).join(''),
    ]);
}

function peersOf(spec: NetworkPolicy['spec']): NetworkPolicyPeer[] {
  return BOTH.flatMap((direction) => rulesOf(spec, direction).flatMap(({ peers = [] }) => peers));
}

/** Whether a pod's addresses are in the range, all of them being looked at. */
function holds(range: string): (pod: Pod) => boolean {
  const cidr = parseCidr(range);
  return ({ ips }) =>
    cidr !== undefined &&
    ips.some((ip) => {
      const address = parseAddress(ip);
      return address !== undefined && containsAddress(cidr, address);
    });
}

export interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
}

/**
 * All ports, in ranges within which no rule of `policies` tells one port from another. Named ports are those of
 * `destination`. SCTP is among them only if a rule names it.
 */
export function portRanges(policies: readonly NetworkPolicy[], destination: Pod | undefined): PortRange[] {
  const starts = new Map<Protocol, Set<number>>([
    ['TCP', new Set([1])],
    ['UDP', new Set([1])],
  ]);
  const cut = (protocol: Protocol, from: number, to: number) => {
    const ofProtocol = starts.get(protocol) ?? new Set([1]);
    ofProtocol.add(Math.max(1, from)).add(to + 1);
    starts.set(protocol, ofProtocol);
  };
  const ports = policies.flatMap(({ spec }) =>
    BOTH.flatMap((direction) => rulesOf(spec, direction).flatMap(({ ports = [] }) => ports)),
  );
  for (const { protocol = 'TCP', port, endPort } of ports) {
    if (typeof port === 'number') cut(protocol, port, endPort ?? port);
    else if (port === undefined) cut(protocol, 1, LAST_PORT);
    for (const own of destination?.ports ?? []) {
      if (own.name === port) cut(protocol, own.containerPort, own.containerPort);
    }
  }
  return [...starts].flatMap(([protocol, set]) => {
    const sorted = [...set].filter((start) => start <= LAST_PORT).sort((a, b) => a - b);
    return sorted.map((from, index) => ({ protocol, from, to: (sorted[index + 1] ?? LAST_PORT + 1) - 1 }));
  });
}
