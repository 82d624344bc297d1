/** Pods that no policy of a view tells apart, so that a question about all of them is asked once. */
import type { PolicyType } from '../../api/network-policy.ts';
import type { Address, IPFamily } from '../../policy/semantics/cidr.ts';
import { addressesOf } from './address-blocks.ts';
import { classifier } from './pod-classifier.ts';
import { networkPodOf, type Pod } from '../cluster.ts';
import type { PolicyIndex } from './policy-index.ts';
import { hasNames } from './ports.ts';
import { type CompiledPeer, type CompiledPolicy, selectsRemote } from './rules.ts';

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
}

/** By group. Nodes are left out: traffic with the own node is always allowed. */
export function classify(pods: readonly Pod[], options: ClassifyOptions): PodClass[] {
  const { policyNumbers, peerKeys } = options;
  const keyOf = classifier([...policyNumbers.keys()].map(({ policy }) => policy));
  const peers = new Map([...peerKeys].map(([peer, key]) => [key, peer]));
  const classes = new Map<string, PodClass>();
  for (const original of pods) {
    const { node: _node, ...pod } = original;
    const group = options.groupOf(original);
    const families = addressesOf(pod).map(({ family }) => family);
    const key = `${group} ${families.join()} ${keyOf(pod)}`;
    let own = classes.get(key);
    if (own === undefined) classes.set(key, (own = classOf(pod, group, families, peers, options)));
    own.pods++;
    own.several = own.pods > 1 || own.several || options.isTemplate(original);
  }
  return [...classes.values()].toSorted((a, b) => a.group - b.group);
}

/** The class that `pod` is the first of; no pod is counted yet. */
function classOf(
  pod: Pod,
  group: number,
  families: readonly IPFamily[],
  peers: ReadonlyMap<string, CompiledPeer>,
  options: ClassifyOptions,
): PodClass {
  const isSubject = networkPodOf({ kind: 'pod', pod }) !== undefined;
  const select = (direction: PolicyType) => (isSubject ? options.index.selecting(direction, pod) : []);
  const selecting = { Ingress: select('Ingress'), Egress: select('Egress') };
  const numbers = (direction: PolicyType) =>
    selecting[direction].map((policy) => options.policyNumbers.get(policy)).join();
  // What a named port stands for depends on the destination: for ingress that is the pod itself.
  const named = selecting.Ingress.some((policy) => policy.Ingress?.some(hasNames));
  const ports = named ? JSON.stringify(pod.ports ?? []) : '';
  const selected = [...peers].map(([key, peer]) => [key, selectedIn(peer, pod, options)] as const);
  return {
    group,
    pod,
    families,
    peers: new Map(selected.filter(([, by]) => by.length > 0)),
    selecting,
    policyKeys: { Ingress: `${numbers('Ingress')} ${ports}`, Egress: numbers('Egress') },
    pods: 0,
    several: false,
  };
}

/** By addresses of which families the peer selects the pod; all of them where it is not by address. */
function selectedIn(
  peer: CompiledPeer,
  pod: Pod,
  { index, podsInIPBlocks }: ClassifyOptions,
): readonly IPFamily[] {
  const remote = { pod: networkPodOf({ kind: 'pod', pod }), namespaceLabels: index.labelsOf(pod.namespace) };
  const selects = (address: Address | undefined) =>
    selectsRemote([peer], { ...remote, address: () => address }, podsInIPBlocks);
  if (peer.kind !== 'ipBlock') return selects(undefined) ? FAMILIES : [];
  return addressesOf(pod)
    .filter(selects)
    .map(({ family }) => family);
}
