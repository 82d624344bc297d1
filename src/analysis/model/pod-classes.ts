/** Divides the pods of each group into classes that all policies treat alike, so that a reach visits one pod of each. */
import type { PolicyType } from '../../api/network-policy.ts';
import type { Address, IPFamily } from '../../policy/semantics/cidr.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { addressesOf } from './address-blocks.ts';
import { classifier } from './pod-classifier.ts';
import { networkPodOf, type Pod } from '../cluster.ts';
import type { PolicyIndex } from './policy-index.ts';
import { hasNames } from './ports.ts';
import { type CompiledPeer, type CompiledPolicy, type PeerMatching, selectsRemote } from './rules.ts';

const FAMILIES: readonly IPFamily[] = [4, 6];

/** Pods of one group that all policies treat alike. */
export interface PodClass {
  readonly group: number;
  /** A pod of the class. */
  readonly pod: Pod;
  /** The families of the pods' addresses; empty while they are pending. */
  readonly families: readonly IPFamily[];
  /** The peers that select the pods, by key, with the address families in which they do. */
  readonly peers: ReadonlyMap<string, readonly IPFamily[]>;
  readonly selecting: Readonly<Record<PolicyType, readonly CompiledPolicy[]>>;
  /** Classes with equal keys are isolated by the same policies, whose named ports mean the same for both. */
  readonly policyKeys: Readonly<Record<PolicyType, string>>;
  pods: number;
  /** True if the class has more than one pod, or a pod that stands for several. */
  hasSeveral: boolean;
}

export interface ClassifyOptions {
  readonly groupOf: (pod: Pod) => number;
  readonly isTemplate: (pod: Pod) => boolean;
  readonly matching: PeerMatching;
  readonly index: PolicyIndex;
  readonly policyNumbers: ReadonlyMap<CompiledPolicy, number>;
  readonly peerKeys: ReadonlyMap<CompiledPeer, string>;
}

/** The classes of `pods`, sorted by group. Nodes are ignored, as a pod's own node always reaches it. */
export function classify(pods: readonly Pod[], options: ClassifyOptions): PodClass[] {
  const { policyNumbers, peerKeys } = options;
  const keyOf = classifier([...policyNumbers.keys()].map(({ policy }) => policy));
  const peers = new PossiblePeers(peerKeys, options.index);
  const classes = new Map<string, PodClass>();
  for (const original of pods) {
    const { node: _node, ...pod } = original;
    const group = options.groupOf(original);
    const families = addressesOf(pod).map(({ family }) => family);
    const key = `${group} ${families.join()} ${keyOf(pod)}`;
    let own = classes.get(key);
    if (own === undefined) classes.set(key, (own = emptyClass(pod, { group, families, peers }, options)));
    own.pods++;
    own.hasSeveral = own.pods > 1 || own.hasSeveral || options.isTemplate(original);
  }
  return [...classes.values()].toSorted((a, b) => a.group - b.group);
}

/** The class of `pod`, in which no pod is counted yet. */
function emptyClass(
  pod: Pod,
  { group, families, peers }: Pick<PodClass, 'group' | 'families'> & { readonly peers: PossiblePeers },
  options: ClassifyOptions,
): PodClass {
  const isSubject = networkPodOf({ kind: 'pod', pod }) !== undefined;
  const select = (direction: PolicyType) => (isSubject ? options.index.selecting(direction, pod) : []);
  const selecting = { Ingress: select('Ingress'), Egress: select('Egress') };
  const numbers = (direction: PolicyType) =>
    selecting[direction].map((policy) => options.policyNumbers.get(policy)).join();
  // A named port is resolved at the destination, which for ingress is the pod itself.
  const named = selecting.Ingress.some((policy) => policy.Ingress?.some(hasNames));
  const ports = named ? JSON.stringify(pod.ports ?? []) : '';
  const selected = peers
    .in(pod.namespace)
    .map(([key, peer]) => [key, familiesSelected(peer, pod, options)] as const);
  return {
    group,
    pod,
    families,
    peers: new Map(selected.filter(([, by]) => by.length > 0)),
    selecting,
    policyKeys: { Ingress: `${numbers('Ingress')} ${ports}`, Egress: numbers('Egress') },
    pods: 0,
    hasSeveral: false,
  };
}

type KeyedPeer = readonly [key: string, peer: CompiledPeer];

/** The peers that may select pods of a namespace, by its name and labels: most rules are about few namespaces. */
class PossiblePeers {
  readonly #index: PolicyIndex;
  readonly #byName: ReadonlyMap<string | undefined, readonly KeyedPeer[]>;
  readonly #found = new Map<string, readonly KeyedPeer[]>();

  constructor(peerKeys: ReadonlyMap<CompiledPeer, string>, index: PolicyIndex) {
    this.#index = index;
    const distinct = new Map([...peerKeys].map(([peer, key]) => [key, peer]));
    this.#byName = Map.groupBy(distinct, ([, peer]) => namespaceOf(peer));
  }

  in(namespace: string): readonly KeyedPeer[] {
    let found = this.#found.get(namespace);
    if (found === undefined) {
      const labels = this.#index.labelsOf(namespace);
      const others = (this.#byName.get(undefined) ?? []).filter(
        ([, peer]) =>
          peer.kind !== 'pods' ||
          !('selector' in peer.namespaces) ||
          matches(peer.namespaces.selector, labels),
      );
      found = [...(this.#byName.get(namespace) ?? []), ...others];
      this.#found.set(namespace, found);
    }
    return found;
  }
}

/** The only namespace in which a peer selects pods; undefined if there may be others. */
function namespaceOf(peer: CompiledPeer): string | undefined {
  if (peer.kind !== 'pods') return undefined;
  return 'name' in peer.namespaces
    ? peer.namespaces.name
    : peer.namespaces.selector.matchLabels?.[LABEL_NAMESPACE_NAME];
}

/** The address families in which the peer selects the pod. A peer that is no ipBlock selects it in all or in none. */
function familiesSelected(
  peer: CompiledPeer,
  pod: Pod,
  { index, matching }: ClassifyOptions,
): readonly IPFamily[] {
  const remote = { pod: networkPodOf({ kind: 'pod', pod }), namespaceLabels: index.labelsOf(pod.namespace) };
  const selects = (address: Address | undefined) =>
    selectsRemote([peer], { ...remote, address: () => address }, matching);
  if (peer.kind !== 'ipBlock') return selects(undefined) ? FAMILIES : [];
  return addressesOf(pod)
    .filter(selects)
    .map(({ family }) => family);
}
