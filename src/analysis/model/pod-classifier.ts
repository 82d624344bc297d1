/** Finds pods that all policies treat alike, so that an analysis visits one pod of each class. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import type { NetworkPolicy, NetworkPolicyPeer, PolicyType } from '../../api/network-policy.ts';
import { containsAddress, parseAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import { rulesOf } from '../../policy/semantics/normalize.ts';
import type { Pod } from '../cluster.ts';

const BOTH: readonly PolicyType[] = ['Ingress', 'Egress'];

/**
 * Returns a function from a pod to the key of its class: pods with equal keys are treated alike by every selector and
 * rule of `policies`. Keys ignore the pods' nodes, which matter only to traffic from the host network.
 */
export function classifier(policies: readonly NetworkPolicy[]): (pod: Pod) => string {
  const keys = new Set<string>();
  const ranges = new Map<string, (pod: Pod) => boolean>();
  const addKeys = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}) => {
    for (const key of Object.keys(matchLabels)) keys.add(key);
    for (const { key } of matchExpressions) keys.add(key);
  };
  for (const { spec } of policies) {
    addKeys(spec.podSelector);
    for (const { podSelector, ipBlock } of peersOf(spec)) {
      addKeys(podSelector);
      for (const range of ipBlock ? [ipBlock.cidr, ...(ipBlock.except ?? [])] : []) {
        if (!ranges.has(range)) ranges.set(range, containsPod(range));
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

/** Returns a function that is true for pods with an address in `range`. */
function containsPod(range: string): (pod: Pod) => boolean {
  const cidr = parseCidr(range);
  return ({ ips }) =>
    cidr !== undefined &&
    ips.some((ip) => {
      const address = parseAddress(ip);
      return address !== undefined && containsAddress(cidr, address);
    });
}
