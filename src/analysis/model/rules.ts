/** NetworkPolicies prepared for evaluation: defaults applied, CIDRs parsed, and `any` spelt out. */
import type { LabelSelector, StringMap } from '../../api/meta.ts';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
  PolicyType,
  Protocol,
} from '../../api/network-policy.ts';
import { type Address, type Cidr, containsAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import { EVERYTHING, matches } from '../../policy/semantics/selector.ts';
import type { ContainerPort, Pod } from '../cluster.ts';

export interface CompiledPolicy {
  readonly policy: NetworkPolicy;
  readonly namespace: string;
  readonly podSelector: LabelSelector;
  /** The rules of each direction that the policy isolates; absent for a direction that it does not isolate. */
  readonly Ingress?: readonly Rule[];
  readonly Egress?: readonly Rule[];
}

export interface Rule {
  /** `any`: no `from` or `to`, or an empty one. */
  readonly peers: readonly CompiledPeer[] | 'any';
  /** `any`: no `ports`, or an empty list. */
  readonly ports: readonly CompiledPort[] | 'any';
}

export type CompiledPeer =
  | { readonly kind: 'pods'; readonly podSelector: LabelSelector; readonly namespaces: NamespaceMatch }
  | {
      readonly kind: 'ipBlock';
      readonly cidr: Cidr;
      readonly except: readonly Cidr[];
      /** True if the block matches no pod, whatever the plugin is. */
      readonly isOutside?: boolean;
    }
  /** A peer that the API server refuses, as it has no field, fields of both kinds, or an invalid CIDR. */
  | { readonly kind: 'nothing' };

/** `name` stands for the policy's own namespace, where a peer has no namespaceSelector. */
export type NamespaceMatch = { readonly name: string } | { readonly selector: LabelSelector };

export type CompiledPort =
  | { readonly protocol: Protocol; readonly from: number; readonly to: number }
  | { readonly protocol: Protocol; readonly name: string };

/** The directions that a policy isolates, defaulted as the API server does (SetDefaults_NetworkPolicy). */
export function policyTypes(spec: NetworkPolicySpec): readonly PolicyType[] {
  if (spec.policyTypes !== undefined && spec.policyTypes.length > 0) return spec.policyTypes;
  return spec.egress !== undefined && spec.egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

export function compilePolicy(policy: NetworkPolicy): CompiledPolicy {
  const { spec } = policy;
  const namespace = policy.metadata.namespace ?? 'default';
  const types = policyTypes(spec);
  const rules = (
    list: readonly { peers?: readonly NetworkPolicyPeer[]; ports?: readonly NetworkPolicyPort[] }[],
  ) => list.map(({ peers, ports }) => compileRule(namespace, peers, ports));
  return {
    policy,
    namespace,
    podSelector: spec.podSelector ?? EVERYTHING,
    ...(types.includes('Ingress') && {
      Ingress: rules((spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))),
    }),
    ...(types.includes('Egress') && {
      Egress: rules((spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }))),
    }),
  };
}

function compileRule(
  namespace: string,
  peers: readonly NetworkPolicyPeer[] = [],
  ports: readonly NetworkPolicyPort[] = [],
): Rule {
  return {
    peers: peers.length === 0 ? 'any' : peers.map((peer) => compilePeer(namespace, peer)),
    ports: ports.length === 0 ? 'any' : ports.map(compilePort),
  };
}

function compilePeer(namespace: string, peer: NetworkPolicyPeer): CompiledPeer {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (ipBlock !== undefined) {
    return podSelector || namespaceSelector ? { kind: 'nothing' } : compileBlock(ipBlock);
  }
  if (podSelector === undefined && namespaceSelector === undefined) return { kind: 'nothing' };
  return {
    kind: 'pods',
    podSelector: podSelector ?? EVERYTHING,
    namespaces: namespaceSelector ? { selector: namespaceSelector } : { name: namespace },
  };
}

/** Addresses outside of the pods, in a view. No policy of the API has such a block. */
export interface OutsideBlock extends IPBlock {
  readonly isOutside: true;
}

function compileBlock({ cidr, except = [], isOutside }: IPBlock & Partial<OutsideBlock>): CompiledPeer {
  const range = parseCidr(cidr);
  const holes = except.map(parseCidr);
  if (range === undefined || !holes.every((hole) => hole !== undefined)) return { kind: 'nothing' };
  return { kind: 'ipBlock', cidr: range, except: holes, ...(isOutside && { isOutside }) };
}

function compilePort({ protocol = 'TCP', port, endPort }: NetworkPolicyPort): CompiledPort {
  if (typeof port === 'string') return { protocol, name: port };
  if (port === undefined) return { protocol, from: 0, to: 65535 };
  return { protocol, from: port, to: endPort ?? port };
}

/** The end of a flow that a rule's peers are matched against. */
export interface RemoteEnd {
  /** Undefined outside the pod network. */
  readonly pod: Pod | undefined;
  readonly namespaceLabels: StringMap;
  /** The address that the flow uses; undefined for a pod without one. Called only to match a CIDR. */
  readonly address: () => Address | undefined;
}

export interface PeerMatching {
  /** True (the default) if an `ipBlock` matches pods by their addresses. With some plugins, as Cilium, it does not. */
  readonly podsInIPBlocks: boolean;
}

/** True if a rule's peers include `remote`. */
export function selectsRemote(
  peers: Rule['peers'],
  { pod, namespaceLabels, address }: RemoteEnd,
  { podsInIPBlocks }: PeerMatching,
): boolean {
  if (peers === 'any') return true;
  return peers.some((peer) => {
    if (peer.kind === 'nothing') return false;
    if (peer.kind === 'pods') {
      if (pod === undefined || !matches(peer.podSelector, pod.labels)) return false;
      return 'name' in peer.namespaces
        ? peer.namespaces.name === pod.namespace
        : matches(peer.namespaces.selector, namespaceLabels);
    }
    if (pod !== undefined && (peer.isOutside === true || !podsInIPBlocks)) return false;
    const found = address();
    if (found === undefined || !containsAddress(peer.cidr, found)) return false;
    return !peer.except.some((hole) => containsAddress(hole, found));
  });
}

/**
 * True if a rule's ports include `port`. A named port stands for the ports of that name and protocol in
 * `containerPorts`, those of the destination pod; with undefined, for a destination outside the pod network, for none.
 */
export function selectsPort(
  ports: Rule['ports'],
  port: number,
  protocol: Protocol,
  containerPorts: readonly ContainerPort[] | undefined,
): boolean {
  if (ports === 'any') return true;
  return ports.some((candidate) => {
    if (candidate.protocol !== protocol) return false;
    if ('from' in candidate) return candidate.from <= port && port <= candidate.to;
    return containerPorts?.some(
      ({ name, containerPort, protocol: own = 'TCP' }) =>
        name === candidate.name && containerPort === port && own === protocol,
    );
  });
}
