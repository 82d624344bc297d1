/** Groups pods that no policy can tell apart, so that a question about a thousand pods is a question about a few. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import type { NetworkPolicy, NetworkPolicyPeer, PolicyType } from '../../api/network-policy.ts';
import { containsAddress, parseAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import { rulesOf } from '../../policy/semantics/normalize.ts';
import type { Pod } from '../cluster.ts';

const BOTH: readonly PolicyType[] = ['Ingress', 'Egress'];

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
