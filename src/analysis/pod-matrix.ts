/**
 * Verdicts for every pair of pods on a list of ports, equal to the evaluator's. Pods that the same policies select
 * share a row, and a rule's peers are one bit set of pods, so that a verdict is a look-up of two bits.
 */
import type { StringMap } from '../api/meta.ts';
import type { PolicyType, Protocol } from '../api/network-policy.ts';
import { type IPFamily, parseAddress } from '../policy/semantics/cidr.ts';
import { BitSet } from './model/bitset.ts';
import { type ClusterView, networkPodOf, nodeOf, type Pod } from './cluster.ts';
import type { EvaluatorOptions } from './evaluator.ts';
import { PolicyIndex } from './model/policy-index.ts';
import { hasNames } from './model/ports.ts';
import { type PeerMatching, type RemoteEnd, type Rule, selectsPort, selectsRemote } from './model/rules.ts';

export interface PortNumber {
  readonly port: number;
  readonly protocol: Protocol;
}

export interface PodMatrixOptions extends EvaluatorOptions {
  readonly ports: readonly PortNumber[];
  /** The address family that the pods use. */
  readonly family: IPFamily;
}

export interface PodMatrix {
  /** True if the flow is allowed. Takes indices in the view's `pods` and the options' `ports`. */
  allowed(from: number, to: number, port: number): boolean;
  /** The number of allowed (from, to, port), those of a pod to itself included. */
  count(): number;
}

export function podMatrix(view: ClusterView, options: PodMatrixOptions): PodMatrix {
  return new BitMatrix(view, options);
}

/** For each port, the pods that the policies of one end allow at the other. Shared by pods of equal policies. */
type Row = readonly BitSet[];

class BitMatrix implements PodMatrix {
  readonly #index: PolicyIndex;
  readonly #pods: readonly Pod[];
  readonly #ports: readonly PortNumber[];
  readonly #matching: PeerMatching;
  readonly #everyone: BitSet;
  readonly #remotes: readonly RemoteEnd[];
  readonly #nodes: readonly (string | undefined)[];
  readonly #peers = new Map<Rule, BitSet>();
  /** By pod. */
  readonly #egress: readonly Row[];
  readonly #ingress: readonly Row[];

  constructor(view: ClusterView, { ports, family, podsInIPBlocks = true }: PodMatrixOptions) {
    this.#index = new PolicyIndex(view);
    this.#pods = view.pods;
    this.#ports = ports;
    this.#matching = { podsInIPBlocks };
    this.#everyone = BitSet.of(view.pods.map(() => true));
    this.#remotes = view.pods.map((pod) => remoteOf(pod, this.#index.labelsOf(pod.namespace), family));
    this.#nodes = view.pods.map((pod) => nodeOf({ kind: 'pod', pod }));
    this.#egress = this.#rows('Egress');
    this.#ingress = this.#rows('Ingress');
  }

  allowed(from: number, to: number, port: number): boolean {
    if (from === to) return true;
    if (this.#egress[from]?.[port]?.has(to) !== true) return false;
    return this.#ingress[to]?.[port]?.has(from) === true || this.#isLocalNode(from, to);
  }

  count(): number {
    let count = 0;
    for (let from = 0; from < this.#pods.length; from++) {
      for (let to = 0; to < this.#pods.length; to++) {
        for (let port = 0; port < this.#ports.length; port++) if (this.allowed(from, to, port)) count++;
      }
    }
    return count;
  }

  #isLocalNode(from: number, to: number): boolean {
    const node = this.#nodes[from];
    return node !== undefined && node === this.#pods[to]?.node;
  }

  #rows(direction: PolicyType): Row[] {
    const everyone: Row = this.#ports.map(() => this.#everyone);
    const known = new Map<string, Row>();
    const numbers = new Map<unknown, number>();
    return this.#pods.map((pod) => {
      const policies = pod.hostNetwork === true ? [] : this.#index.selecting(direction, pod);
      if (policies.length === 0) return everyone;
      const rules = policies.flatMap((policy) => policy[direction] ?? []);
      // A named port is resolved at the destination, which for ingress is the pod itself.
      const names = direction === 'Ingress' && rules.some(hasNames) ? JSON.stringify(pod.ports ?? []) : '';
      const key = `${policies.map((policy) => numberOf(numbers, policy)).join()} ${names}`;
      let row = known.get(key);
      if (row === undefined) {
        row = this.#ports.map((port) => this.#row(direction, pod, rules, port));
        known.set(key, row);
      }
      return row;
    });
  }

  #row(direction: PolicyType, pod: Pod, rules: readonly Rule[], { port, protocol }: PortNumber): BitSet {
    const row = new BitSet(this.#pods.length);
    for (const rule of rules) {
      if (direction === 'Egress' && hasNames(rule)) {
        const open = this.#pods.map((to) => selectsPort(rule.ports, port, protocol, portsOf(to)));
        row.addCommon(this.#peersOf(rule), BitSet.of(open));
      } else if (selectsPort(rule.ports, port, protocol, portsOf(pod))) {
        row.addCommon(this.#peersOf(rule), this.#everyone);
      }
    }
    return row;
  }

  #peersOf(rule: Rule): BitSet {
    if (rule.peers === 'any') return this.#everyone;
    let set = this.#peers.get(rule);
    if (set === undefined) {
      const selected = this.#remotes.map((remote) => selectsRemote(rule.peers, remote, this.#matching));
      set = BitSet.of(selected);
      this.#peers.set(rule, set);
    }
    return set;
  }
}

/** The ports that a named port is resolved to; undefined outside the pod network. */
function portsOf(pod: Pod): Pod['ports'] {
  return networkPodOf({ kind: 'pod', pod }) && (pod.ports ?? []);
}

function remoteOf(pod: Pod, namespaceLabels: StringMap, family: IPFamily): RemoteEnd {
  const address = pod.ips.map(parseAddress).find((candidate) => candidate?.family === family);
  return { pod: networkPodOf({ kind: 'pod', pod }), namespaceLabels, address: () => address };
}

function numberOf(numbers: Map<unknown, number>, object: unknown): number {
  const number = numbers.get(object) ?? numbers.size;
  numbers.set(object, number);
  return number;
}
