/** Numbers the distinct peers of a view's rules, and finds the peers that each pod is. Pure. */
import { containsAddress, type IPFamily } from '../../policy/semantics/cidr.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { networkPodOf, type Pod } from '../cluster.ts';
import { addressesOf } from './address-blocks.ts';
import type { PolicyIndex } from './policy-index.ts';
import type { CompiledPeer, PeerMatching, Rule } from './rules.ts';

const FAMILIES: readonly IPFamily[] = [4, 6];

/** The families in which a peer selects a pod, by the peer's number. */
type Matches = ReadonlyMap<number, readonly IPFamily[]>;

export class PeerNumbers {
  readonly #numbers = new Map<CompiledPeer, number>();
  readonly #peers: CompiledPeer[] = [];
  readonly #matches = new Map<Pod, Map<number, readonly IPFamily[]>>();

  constructor(rules: readonly Rule[], pods: readonly Pod[], index: PolicyIndex, matching: PeerMatching) {
    const known = new Map<string, number>();
    for (const peer of rules.flatMap(({ peers }) => (peers === 'any' ? [] : peers))) {
      const key = JSON.stringify(peer, (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}` : value,
      );
      let number = known.get(key);
      if (number === undefined) {
        number = this.#peers.push(peer) - 1;
        known.set(key, number);
      }
      this.#numbers.set(peer, number);
    }
    for (const pod of pods) this.#matches.set(pod, new Map());
    this.#match(pods, index, matching);
  }

  numberOf(peer: CompiledPeer): number {
    return this.#numbers.get(peer) ?? -1;
  }

  /** True for a peer that selects pods of its policy's own namespace. */
  isLocal(peer: CompiledPeer): boolean {
    return peer.kind === 'pods' && 'name' in peer.namespaces;
  }

  /** Equal for pods that are the same peers. @param withLocal to count peers of the pod's own namespace */
  keyOf(pod: Pod, withLocal: boolean): string {
    return [...this.#matchesOf(pod, withLocal)]
      .map(([number, families]) => (families === FAMILIES ? number : `${number}:${families.join()}`))
      .join(' ');
  }

  /** Returns a function that is true if a peer selects the pod in a family. */
  matcherOf(pod: Pod, withLocal: boolean): (peer: CompiledPeer, family: IPFamily) => boolean {
    const own = new Map(this.#matchesOf(pod, withLocal));
    return (peer, family) => own.get(this.numberOf(peer))?.includes(family) === true;
  }

  #matchesOf(pod: Pod, withLocal: boolean): Iterable<readonly [number, readonly IPFamily[]]> {
    const own: Matches = this.#matches.get(pod) ?? new Map();
    if (withLocal) return own;
    return [...own].filter(([number]) => {
      const peer = this.#peers[number];
      return peer !== undefined && !this.isLocal(peer);
    });
  }

  /** Peer by peer, so that the selector of a namespace is evaluated once for all of its pods. */
  #match(pods: readonly Pod[], index: PolicyIndex, { podsInIPBlocks }: PeerMatching): void {
    const network = pods.filter((pod) => networkPodOf({ kind: 'pod', pod }) !== undefined);
    const byNamespace = Map.groupBy(network, ({ namespace }) => namespace);
    const onHost = pods.filter(({ hostNetwork }) => hostNetwork === true);
    const withAddresses = (list: readonly Pod[]) => list.map((pod) => [pod, addressesOf(pod)] as const);
    const outside = withAddresses(onHost);
    const all = podsInIPBlocks ? withAddresses(pods) : outside;
    for (const [number, peer] of this.#peers.entries()) {
      if (peer.kind === 'nothing') continue;
      if (peer.kind === 'ipBlock') {
        for (const [pod, own] of peer.isOutside === true ? outside : all) {
          const families = own
            .filter(
              (address) =>
                containsAddress(peer.cidr, address) &&
                !peer.except.some((hole) => containsAddress(hole, address)),
            )
            .map(({ family }) => family);
          if (families.length > 0) this.#matches.get(pod)?.set(number, families);
        }
        continue;
      }
      const { namespaces, podSelector } = peer;
      const chosen =
        'name' in namespaces
          ? [byNamespace.get(namespaces.name) ?? []]
          : [...byNamespace].flatMap(([name, own]) =>
              matches(namespaces.selector, index.labelsOf(name)) ? [own] : [],
            );
      for (const pod of chosen.flat()) {
        if (matches(podSelector, pod.labels)) this.#matches.get(pod)?.set(number, FAMILIES);
      }
    }
  }
}
