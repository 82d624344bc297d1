/** Pods that no policy of a view tells apart, so that a question about all of them is asked once. */
import type { PolicyType } from '../api/network-policy.ts';
import type { Address, IPFamily } from '../policy/cidr.ts';
import { addressesOf } from './blocks.ts';
import { networkPodOf, type Pod } from './cluster.ts';
import type { PolicyIndex } from './policy-index.ts';
import { hasNames } from './ports.ts';
import { type CompiledPeer, type CompiledPolicy, type Rule, selectsParty } from './rules.ts';

export const DIRECTIONS: readonly PolicyType[] = ['Ingress', 'Egress'];
const FAMILIES: readonly IPFamily[] = [4, 6];

/** Pods of one group that no policy tells apart. */
export interface PodClass {
  readonly group: number;
  /** One of them. */
  readonly pod: Pod;
  /** Of their addresses; none while they are pending. */
  readonly families: readonly IPFamily[];
  /** The peers that select them, by key, and with addresses of which families. */
  readonly peers: ReadonlyMap<string, readonly IPFamily[]>;
  readonly selecting: Readonly<Record<PolicyType, readonly CompiledPolicy[]>>;
  /** Equal for classes whose own policies say the same of everybody. */
  readonly policyKeys: Readonly<Record<PolicyType, string>>;
  pods: number;
  /** More than one pod, or one that stands for several. */
  several: boolean;
}

export interface ClassifyOptions {
  readonly groupOf: (pod: Pod) => number;
  readonly isTemplate: (pod: Pod) => boolean;
  readonly podsInIPBlocks: boolean;
  readonly index: PolicyIndex;
  readonly policyNumbers: ReadonlyMap<CompiledPolicy, number>;
  readonly peerKeys: ReadonlyMap<CompiledPeer, string>;
  /** Of all policies. */
  readonly rules: readonly Rule[];
}

/** By group. Nodes are left out: traffic with the own node is always allowed. */
export function classify(pods: readonly Pod[], options: ClassifyOptions): PodClass[] {
  const { index, policyNumbers, peerKeys, rules } = options;
  const peers = new Map([...peerKeys].map(([peer, key]) => [key, peer]));
  const byName = rules.some(hasNames);
  const classes = new Map<string, PodClass>();
  for (const original of pods) {
    const { node: _node, ...pod } = original;
    const subject = networkPodOf({ kind: 'pod', pod }) !== undefined;
    const selected = new Map<string, readonly IPFamily[]>();
    for (const [key, peer] of peers) {
      const families = selectedIn(peer, pod, options);
      if (families.length > 0) selected.set(key, families);
    }
    const selecting = (direction: PolicyType) => (subject ? index.selecting(direction, pod) : []);
    const own = { Ingress: selecting('Ingress'), Egress: selecting('Egress') };
    const numbers = (direction: PolicyType) =>
      own[direction].map((policy) => policyNumbers.get(policy)).join();
    const ports = byName ? JSON.stringify(pod.ports ?? []) : '';
    // What a named port stands for depends on the destination: for ingress that is the pod itself.
    const policyKeys = { Ingress: `${numbers('Ingress')} ${ports}`, Egress: numbers('Egress') };
    const families = addressesOf(pod).map(({ family }) => family);
    const group = options.groupOf(original);
    const key = JSON.stringify([group, subject, policyKeys, ports, families, [...selected]]);
    const known = classes.get(key) ?? {
      group,
      pod,
      families,
      peers: selected,
      selecting: own,
      policyKeys,
      pods: 0,
      several: false,
    };
    classes.set(key, known);
    known.pods++;
    known.several = known.pods > 1 || known.several || options.isTemplate(original);
  }
  return [...classes.values()].toSorted((a, b) => a.group - b.group);
}

/** By addresses of which families the peer selects the pod; all of them where it is not by address. */
function selectedIn(
  peer: CompiledPeer,
  pod: Pod,
  { index, podsInIPBlocks }: ClassifyOptions,
): readonly IPFamily[] {
  const party = { pod: networkPodOf({ kind: 'pod', pod }), namespaceLabels: index.labelsOf(pod.namespace) };
  const selects = (address: Address | undefined) =>
    selectsParty([peer], { ...party, address: () => address }, podsInIPBlocks);
  if (peer.kind !== 'ipBlock') return selects(undefined) ? FAMILIES : [];
  return addressesOf(pod)
    .filter(selects)
    .map(({ family }) => family);
}
