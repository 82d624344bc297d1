/**
 * The remedy for an end that denies a flow: the smallest rule that allows it, for exactly these pods as far as stable
 * labels tell them from others, to exactly the peer, on exactly the ports. It isolates no pod that was open. Pure.
 */
import type { LabelSelector } from '../../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type {
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  PolicyType,
} from '../../api/network-policy.ts';
import type { EgressRule, IngressRule, Peer, SegmentationProfile } from '../../api/profile.ts';
import { singleAddressCidr } from '../../policy/semantics/cidr.ts';
import type { Pod } from '../cluster.ts';
import { PolicyIndex } from '../model/policy-index.ts';
import type { PortRange } from '../model/ports.ts';
import type { NewLabel } from './new-label.ts';
import { type Selection, selectPods } from './pod-selector.ts';

export interface RemedyInput {
  /** The direction in which the end denies. */
  readonly direction: PolicyType;
  /** The pods of the workload at the end that denies. */
  readonly subjects: readonly Pod[];
  /** The other end: the pods of a workload, or addresses. */
  readonly peer: { readonly pods: readonly Pod[] } | { readonly addresses: readonly string[] };
  /** The denied ports. */
  readonly ports: readonly PortRange[];
  /** The name of the rule or policy, unless it is taken. */
  readonly name: string;
  /** The profile that isolates the subjects; undefined if only foreign policies do. */
  readonly profile: SegmentationProfile | undefined;
  /** The namespaces that the profile selects; empty without a profile. */
  readonly namespaces: ReadonlySet<string>;
  /** All pods of the cluster. */
  readonly pods: readonly Pod[];
  /** The policies that are in force. */
  readonly policies: readonly NetworkPolicy[];
  /** Names of policies in the namespace of the subjects. */
  readonly takenNames: readonly string[];
  /** Labels to propose for a workload that no stable label tells from others. */
  readonly newLabels: { readonly subject: NewLabel; readonly peer: NewLabel };
}

export type Remedy = RemedyCommon & (RuleRemedy | PolicyRemedy);

interface RemedyCommon {
  readonly direction: PolicyType;
  /** Labels to add first. The selectors of the remedy use them. */
  readonly labels: readonly (NewLabel & { readonly end: 'subject' | 'peer' })[];
  /** Other pods that the remedy applies to, as no stable label tells them from the subjects. */
  readonly alsoSubjects: readonly Pod[];
  /** Other pods that the remedy names as peers, as no stable label, or no address, tells them from the peer. */
  readonly alsoPeers: readonly Pod[];
}

/** A rule to add to a profile. */
interface RuleRemedy {
  readonly kind: 'rule';
  readonly profile: string;
  readonly rule: IngressRule | EgressRule;
  /** The profile with the rule. */
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

/** The schema's bound on the rules of a direction. */
const MAX_RULES = 64;
const MAX_NAME = 63;

export function remedyFor(input: RemedyInput): RemedyResult {
  const peers = peersOf(input);
  if (peers === undefined) return { kind: 'obstacle', obstacle: { kind: 'no-address' } };
  const inNamespace = subjectsInNamespace(input);
  const inProfile = subjectsInProfile(input);
  if (inProfile !== undefined && (inNamespace.kind === 'obstacle' || isNoWider(inProfile, inNamespace))) {
    return { kind: 'remedy', remedy: ruleRemedy(input, inProfile, peers) };
  }
  if (inNamespace.kind === 'obstacle') return inNamespace;
  return { kind: 'remedy', remedy: policyRemedy(input, inNamespace, peers) };
}

/** A selector for pods of one end. */
interface ChosenPods {
  readonly kind: 'chosen';
  readonly selector: LabelSelector;
  readonly also: readonly Pod[];
  /** The label that the selector needs and the pods lack. */
  readonly label?: NewLabel;
}

function isNoWider(a: ChosenPods, b: ChosenPods): boolean {
  return a.also.length <= b.also.length;
}

/**
 * The subjects among the pods of all namespaces of the profile, as its rules apply in all of them; undefined if the
 * profile can have no more rules. The profile isolates all of these pods, so that no rule of it isolates another.
 */
function subjectsInProfile(input: RemedyInput): ChosenPods | undefined {
  const { profile, direction, pods, subjects, namespaces, newLabels } = input;
  if (profile === undefined) return undefined;
  if ((profile.spec[fieldOf(direction)] ?? []).length >= MAX_RULES) return undefined;
  const members = subjects.filter(isInPodNetwork);
  const others = pods.filter((pod) => namespaces.has(pod.namespace) && isOther(pod, members));
  return chosen(selectPods({ members, others, forbidden: [] }), newLabels.subject);
}

/** The isolated subjects among the pods of their namespace. A policy must not select open pods: it would isolate them. */
function subjectsInNamespace(
  input: RemedyInput,
): ChosenPods | (RemedyResult & { readonly kind: 'obstacle' }) {
  const { direction, subjects, pods, policies, newLabels } = input;
  const index = new PolicyIndex({ namespaces: [], policies });
  const isIsolated = (pod: Pod) => index.selecting(direction, pod).length > 0;
  const members = subjects.filter((pod) => isInPodNetwork(pod) && isIsolated(pod));
  const namespace = subjects[0]?.namespace;
  const others = pods.filter((pod) => pod.namespace === namespace && isOther(pod, members));
  const forbidden = others.filter((pod) => !isIsolated(pod));
  const selection = selectPods({ members, others, forbidden });
  if (selection.kind !== 'selector') {
    // A label on the template reaches all pods of the workload, so it can't exclude the open ones among them.
    const open = forbidden.filter((pod) => subjects.includes(pod));
    if (open.length > 0) return { kind: 'obstacle', obstacle: { kind: 'open-pods', pods: open } };
  }
  return chosen(selection, newLabels.subject);
}

function chosen(selection: Selection, label: NewLabel): ChosenPods {
  if (selection.kind === 'selector')
    return { kind: 'chosen', selector: selection.selector, also: selection.also };
  return {
    kind: 'chosen',
    selector: { matchLabels: { [label.key]: label.value } },
    also: [],
    label,
  };
}

function ruleRemedy(input: RemedyInput, subjects: ChosenPods, peers: ChosenPeers): Remedy {
  const { direction, profile, name } = input;
  if (profile === undefined) throw new TypeError('a rule needs a profile');
  const taken = (profile.spec[fieldOf(direction)] ?? []).map((rule) => rule.name);
  const ports = portList(input.ports);
  const rule = {
    name: freeName(name, taken),
    podSelector: subjects.selector,
    [direction === 'Ingress' ? 'from' : 'to']: peers.list,
    ...(ports.length > 0 && { ports }),
  } as unknown as IngressRule & EgressRule;
  return {
    ...common(direction, subjects, peers),
    kind: 'rule',
    profile: profile.metadata.name,
    rule,
    changed: withRule(profile, direction, rule),
  };
}

function policyRemedy(input: RemedyInput, subjects: ChosenPods, peers: ChosenPeers): Remedy {
  const { direction, name, takenNames } = input;
  const ports = portList(input.ports);
  const list = peers.list as readonly NetworkPolicyPeer[];
  const optional = ports.length > 0 && { ports };
  const policy: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: freeName(name, takenNames), namespace: input.subjects[0]?.namespace ?? '' },
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

function common(direction: PolicyType, subjects: ChosenPods, peers: ChosenPeers): RemedyCommon {
  return {
    direction,
    labels: [
      ...(subjects.label ? [{ end: 'subject' as const, ...subjects.label }] : []),
      ...(peers.label ? [{ end: 'peer' as const, ...peers.label }] : []),
    ],
    alsoSubjects: subjects.also,
    alsoPeers: peers.also,
  };
}

/** `profile` with one more rule. */
function withRule(
  profile: SegmentationProfile,
  direction: PolicyType,
  rule: IngressRule & EgressRule,
): SegmentationProfile {
  const field = fieldOf(direction);
  const rules: readonly object[] = profile.spec[field] ?? [];
  return { ...profile, spec: { ...profile.spec, [field]: [...rules, rule] } };
}

function fieldOf(direction: PolicyType): 'ingress' | 'egress' {
  return direction === 'Ingress' ? 'ingress' : 'egress';
}

interface ChosenPeers {
  readonly list: readonly Peer[];
  readonly also: readonly Pod[];
  readonly label?: NewLabel;
}

/** The peers of a rule; undefined if no address of the other end is known. */
function peersOf({ peer, pods, subjects, newLabels }: RemedyInput): ChosenPeers | undefined {
  if ('addresses' in peer) return addressPeers(peer.addresses, { pods, members: [] });
  const inNetwork = peer.pods.filter(isInPodNetwork);
  // Policies know pods on the host network by the addresses of their nodes only.
  const onHost = peer.pods.filter((pod) => !isInPodNetwork(pod));
  const blocks =
    onHost.length === 0
      ? undefined
      : addressPeers(
          onHost.flatMap(({ ips }) => ips),
          { pods, members: onHost },
        );
  const [first] = inNetwork;
  if (first === undefined) return blocks;
  const { namespace } = first;
  const others = pods.filter((pod) => pod.namespace === namespace && isOther(pod, inNetwork));
  const selected = chosen(selectPods({ members: inNetwork, others, forbidden: [] }), newLabels.peer);
  const namespaceSelector = { matchLabels: { [LABEL_NAMESPACE_NAME]: namespace } };
  const isOwnNamespace = subjects.every((pod) => pod.namespace === namespace);
  const bySelector = { ...(!isOwnNamespace && { namespaceSelector }), podSelector: selected.selector };
  return {
    list: [bySelector, ...(blocks?.list ?? [])],
    also: [...selected.also, ...(blocks?.also ?? [])],
    ...(selected.label && { label: selected.label }),
  };
}

function addressPeers(
  addresses: readonly string[],
  { pods, members }: { readonly pods: readonly Pod[]; readonly members: readonly Pod[] },
): ChosenPeers | undefined {
  const cidrs = [...new Set(addresses.flatMap((address) => singleAddressCidr(address) ?? []))].sort();
  if (cidrs.length === 0) return undefined;
  const isNamed = (pod: Pod) => pod.ips.some((ip) => cidrs.includes(singleAddressCidr(ip) ?? ''));
  return {
    list: cidrs.map((cidr) => ({ ipBlock: { cidr } })),
    also: pods.filter((pod) => !members.includes(pod) && isNamed(pod)),
  };
}

function isInPodNetwork({ hostNetwork }: Pod): boolean {
  return hostNetwork !== true;
}

/** True for pods of the pod network that are none of `members`. */
function isOther(pod: Pod, members: readonly Pod[]): boolean {
  return isInPodNetwork(pod) && !members.includes(pod);
}

const LAST_PORT = 65_535;
const PROTOCOLS = 3;

/** The ports of a rule; empty for every port of every protocol. */
function portList(ranges: readonly PortRange[]): NetworkPolicyPort[] {
  const isWhole = ({ from, to }: PortRange) => from <= 1 && to === LAST_PORT;
  if (ranges.filter(isWhole).length === PROTOCOLS) return [];
  return ranges.map((range) => {
    const { protocol, from, to } = range;
    if (isWhole(range)) return { protocol };
    return { protocol, port: from, ...(to !== from && { endPort: to }) };
  });
}

/** A DNS label made of `wanted` that is none of `taken`. */
function freeName(wanted: string, taken: readonly string[]): string {
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
