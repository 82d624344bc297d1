/**
 * The remedy for an end that denies a flow: the smallest connection of a profile, or policy, that allows it, for exactly
 * these pods as far as stable labels tell them from others, to exactly the peer, on exactly the ports. It isolates no pod
 * that was open. Pure.
 */
import type { LabelSelector } from '../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  PolicyType,
} from '../../api/network-policy.ts';
import type { Connection, Peer, SegmentationProfile } from '../../api/profile.ts';
import { singleAddressCidr } from '../../policy/semantics/cidr.ts';
import type { Pod } from '../cluster.ts';
import type { PortRange } from '../model/ports.ts';
import type { NewLabel } from './new-label.ts';
import { type Selection, selectPods } from './pod-selector.ts';
import type { RemedyCluster } from './remedy-cluster.ts';

export interface RemedyInput {
  /** The direction in which the end denies. */
  readonly direction: PolicyType;
  /** The pods of the workload at the end that denies. */
  readonly subjects: readonly Pod[];
  /** The other end: the pods of a workload, or addresses. */
  readonly peer: { readonly pods: readonly Pod[] } | { readonly addresses: readonly string[] };
  /** The denied ports. */
  readonly ports: readonly PortRange[];
  /** The names of a connection and of a policy, unless they are taken. */
  readonly names: { readonly connection: string; readonly policy: string };
  /** The profile that isolates the subjects, and selects their namespace; undefined if only foreign policies do. */
  readonly profile: SegmentationProfile | undefined;
  readonly cluster: RemedyCluster;
  /** Names of policies in the namespace of the subjects. */
  readonly takenNames: readonly string[];
  /** Labels to propose for a workload that no stable label tells from others. */
  readonly newLabels: { readonly subject: NewLabel; readonly peer: NewLabel };
}

export type Remedy = RemedyCommon & (ConnectionRemedy | PolicyRemedy);

interface RemedyCommon {
  readonly direction: PolicyType;
  /** Labels to add first. The selectors of the remedy use them. */
  readonly labels: readonly (NewLabel & { readonly end: 'subject' | 'peer' })[];
  /** Other pods that the remedy applies to, as no stable label tells them from the subjects. */
  readonly alsoSubjects: readonly Pod[];
  /** Other pods that the remedy names as peers, as no stable label, or no address, tells them from the peer. */
  readonly alsoPeers: readonly Pod[];
}

/** A connection to add to a profile. It allows the flow at each end that the profile isolates. */
interface ConnectionRemedy {
  readonly kind: 'connection';
  readonly profile: string;
  readonly connection: Connection;
  /** The profile with the connection. */
  readonly changed: SegmentationProfile;
}

/** A NetworkPolicy to create beside the others of the namespace. */
interface PolicyRemedy {
  readonly kind: 'policy';
  readonly policy: NetworkPolicy;
}

/** Why there is no remedy. */
export type Obstacle =
  /** The peer has no address that a rule could name. */
  | { readonly kind: 'no-address' }
  /** A policy for the subjects would isolate these open pods of the same workload. */
  | { readonly kind: 'open-pods'; readonly pods: readonly Pod[] };

export type RemedyResult =
  | { readonly kind: 'remedy'; readonly remedy: Remedy }
  | { readonly kind: 'obstacle'; readonly obstacle: Obstacle };

/** The schema's bounds on the connections of a profile, and on the ends of a side. */
const MAX_CONNECTIONS = 64;
const MAX_ENDS = 20;
const MAX_NAME = 63;

export function remedyFor(input: RemedyInput): RemedyResult {
  const peers = peersOf(input);
  if (peers === undefined) return { kind: 'obstacle', obstacle: { kind: 'no-address' } };
  if (canConnect(input.profile, peers))
    return { kind: 'remedy', remedy: connectionRemedy(input, input.profile, peers) };
  const subjects = isolatedSubjects(input);
  if (subjects.kind === 'obstacle') return subjects;
  return { kind: 'remedy', remedy: policyRemedy(input, subjects, peers) };
}

/** A selector for pods of one end. */
interface ChosenPods {
  readonly kind: 'chosen';
  readonly namespace: string;
  readonly selector: LabelSelector;
  readonly also: readonly Pod[];
  /** The label that the selector needs and the pods lack. */
  readonly label?: NewLabel;
}

/** True if the profile can have one more connection with these peers. */
function canConnect(
  profile: SegmentationProfile | undefined,
  peers: ChosenPeers,
): profile is SegmentationProfile {
  return (
    profile !== undefined &&
    (profile.spec.connections ?? []).length < MAX_CONNECTIONS &&
    peers.cidrs.length + (peers.pods === undefined ? 0 : 1) <= MAX_ENDS
  );
}

/** The subjects among the pods of their namespace, all of which the profile isolates. */
function allSubjects({ cluster, subjects, newLabels }: RemedyInput): ChosenPods {
  const members = subjects.filter(isInPodNetwork);
  const namespace = subjects[0]?.namespace ?? '';
  const others = othersIn(cluster.podsIn(namespace), members);
  return chosen(namespace, selectPods({ members, others, forbidden: [] }), newLabels.subject);
}

/** The isolated subjects among the pods of their namespace. A policy must not select open pods: it would isolate them. */
function isolatedSubjects(input: RemedyInput): ChosenPods | (RemedyResult & { readonly kind: 'obstacle' }) {
  const { direction, subjects, cluster, newLabels } = input;
  const isIsolated = (pod: Pod) => cluster.isIsolated(direction, pod);
  const members = subjects.filter((pod) => isInPodNetwork(pod) && isIsolated(pod));
  const namespace = subjects[0]?.namespace ?? '';
  const others = othersIn(cluster.podsIn(namespace), members);
  const forbidden = others.filter((pod) => !isIsolated(pod));
  const selection = selectPods({ members, others, forbidden });
  if (selection.kind !== 'selector') {
    // A label on the template reaches all pods of the workload, so it can't exclude the open ones among them.
    const open = forbidden.filter((pod) => subjects.includes(pod));
    if (open.length > 0) return { kind: 'obstacle', obstacle: { kind: 'open-pods', pods: open } };
  }
  return chosen(namespace, selection, newLabels.subject);
}

function chosen(namespace: string, selection: Selection, label: NewLabel): ChosenPods {
  if (selection.kind === 'selector')
    return { kind: 'chosen', namespace, selector: selection.selector, also: selection.also };
  const selector = { matchLabels: { [label.key]: label.value } };
  return { kind: 'chosen', namespace, selector, also: [], label };
}

function connectionRemedy(input: RemedyInput, profile: SegmentationProfile, peers: ChosenPeers): Remedy {
  const { direction, names } = input;
  const subjects = allSubjects(input);
  const { connections = [], ingress = [], egress = [] } = profile.spec;
  const taken = [...connections, ...ingress, ...egress].map(({ name }) => name);
  const ports = portList(input.ports);
  const [own, others] = [[podsEnd(subjects)], endsOf(peers)];
  const connection: Connection = {
    name: freeName(names.connection, taken),
    from: direction === 'Egress' ? own : others,
    to: direction === 'Egress' ? others : own,
    ...(ports.length > 0 && { ports }),
  };
  return {
    ...common(direction, subjects, peers),
    kind: 'connection',
    profile: profile.metadata.name,
    connection,
    changed: { ...profile, spec: { ...profile.spec, connections: [...connections, connection] } },
  };
}

function podsEnd({ namespace, selector }: ChosenPods): Peer {
  return { namespaces: [namespace], podSelector: selector };
}

function endsOf({ pods, cidrs }: ChosenPeers): Peer[] {
  return [...(pods === undefined ? [] : [podsEnd(pods)]), ...cidrs.map((cidr) => ({ ipBlock: { cidr } }))];
}

function policyRemedy(input: RemedyInput, subjects: ChosenPods, peers: ChosenPeers): Remedy {
  const { direction, names, takenNames } = input;
  const ports = portList(input.ports);
  const list = policyPeers(peers, subjects.namespace);
  const optional = ports.length > 0 && { ports };
  const policy: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: freeName(names.policy, takenNames), namespace: subjects.namespace },
    spec: {
      podSelector: subjects.selector,
      policyTypes: [direction],
      ...(direction === 'Ingress'
        ? { ingress: [{ from: list, ...optional }] }
        : { egress: [{ to: list, ...optional }] }),
    },
  };
  return { ...common(direction, subjects, peers), kind: 'policy', policy };
}

/** @param own the namespace of the policy */
function policyPeers({ pods, cidrs }: ChosenPeers, own: string): NetworkPolicyPeer[] {
  const blocks = cidrs.map((cidr) => ({ ipBlock: { cidr } }));
  if (pods === undefined) return blocks;
  const { namespace, selector: podSelector } = pods;
  const namespaceSelector = { matchLabels: { [LABEL_NAMESPACE_NAME]: namespace } };
  return [{ ...(namespace !== own && { namespaceSelector }), podSelector }, ...blocks];
}

function common(direction: PolicyType, subjects: ChosenPods, peers: ChosenPeers): RemedyCommon {
  return {
    direction,
    labels: [
      ...(subjects.label ? [{ end: 'subject' as const, ...subjects.label }] : []),
      ...(peers.pods?.label ? [{ end: 'peer' as const, ...peers.pods.label }] : []),
    ],
    alsoSubjects: subjects.also,
    alsoPeers: [...(peers.pods?.also ?? []), ...peers.also],
  };
}

interface ChosenPeers {
  readonly pods?: ChosenPods;
  /** Each a single address. */
  readonly cidrs: readonly string[];
  /** Other pods that have one of the addresses. */
  readonly also: readonly Pod[];
}

/** The peers of a rule; undefined if no address of the other end is known. */
function peersOf({ peer, cluster, newLabels }: RemedyInput): ChosenPeers | undefined {
  if ('addresses' in peer) return addressPeers(peer.addresses, [], cluster);
  const inNetwork = peer.pods.filter(isInPodNetwork);
  // Policies know pods on the host network by the addresses of their nodes only.
  const onHost = peer.pods.filter((pod) => !isInPodNetwork(pod));
  const blocks =
    onHost.length === 0
      ? undefined
      : addressPeers(
          onHost.flatMap(({ ips }) => ips),
          onHost,
          cluster,
        );
  const [first] = inNetwork;
  if (first === undefined) return blocks;
  const { namespace } = first;
  const others = othersIn(cluster.podsIn(namespace), inNetwork);
  const selection = selectPods({ members: inNetwork, others, forbidden: [] });
  return { cidrs: [], also: [], ...blocks, pods: chosen(namespace, selection, newLabels.peer) };
}

/** @param members pods that the addresses stand for */
function addressPeers(
  addresses: readonly string[],
  members: readonly Pod[],
  cluster: RemedyCluster,
): ChosenPeers | undefined {
  const cidrs = [...new Set(addresses.flatMap((address) => singleAddressCidr(address) ?? []))].sort();
  if (cidrs.length === 0) return undefined;
  const named = new Set(cidrs.flatMap((cidr) => cluster.podsAt(cidr)));
  return { cidrs, also: [...named.difference(new Set(members))] };
}

function isInPodNetwork({ hostNetwork }: Pod): boolean {
  return hostNetwork !== true;
}

/** The pods of the pod network that are none of `members`. */
function othersIn(pods: readonly Pod[], members: readonly Pod[]): Pod[] {
  const own = new Set(members);
  return pods.filter((pod) => isInPodNetwork(pod) && !own.has(pod));
}

const LAST_PORT = 65_535;
const PROTOCOLS = 3;

/** The ports of a rule; empty for every port of every protocol. */
export function portList(ranges: readonly PortRange[]): (NetworkPolicyPort & Pick<PortRange, 'protocol'>)[] {
  const isWhole = ({ from, to }: PortRange) => from <= 1 && to === LAST_PORT;
  if (ranges.filter(isWhole).length === PROTOCOLS) return [];
  return ranges.map((range) => {
    const { protocol, from, to } = range;
    if (isWhole(range)) return { protocol };
    return { protocol, port: from, ...(to !== from && { endPort: to }) };
  });
}

/** A DNS label made of `wanted` that is none of `taken`. */
export function freeName(wanted: string, taken: readonly string[]): string {
  const base = wanted
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_NAME - 3)
    .replaceAll(/^-+|-+$/g, '');
  for (let count = 1; ; count++) {
    const name = count === 1 ? base || 'rule' : `${base || 'rule'}-${count}`;
    if (!taken.includes(name)) return name;
  }
}
