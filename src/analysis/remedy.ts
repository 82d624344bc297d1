/**
 * The smallest rule that allows what an end of a flow denies: for exactly the pods that are meant, as far as labels can
 * tell them from others, to exactly the peer, on exactly the ports. Pure.
 */
import type { LabelSelector } from '../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../api/names.ts';
import type { NetworkPolicy, NetworkPolicyPeer, PolicyType, Protocol } from '../api/network-policy.ts';
import type { EgressRule, IngressRule, Peer, SegmentationProfile } from '../api/profile.ts';
import { singleAddressCidr } from '../policy/semantics/cidr.ts';
import { matches } from '../policy/semantics/selector.ts';
import type { Pod } from './cluster.ts';
import { compareText } from '../util/order.ts';

export interface RemedyInput {
  /** Of the end that denies. */
  readonly direction: PolicyType;
  /** The pods of that end, of one namespace: those that the rule is to be for. */
  readonly subjects: readonly Pod[];
  /** The other end: pods of one namespace, or addresses. */
  readonly peer: { readonly pods: readonly Pod[] } | { readonly addresses: readonly string[] };
  /** Empty: every port. */
  readonly ports: readonly { readonly port: number; readonly protocol: Protocol }[];
  /** What the rule is called, if that is free. */
  readonly name: string;
  /** The profile that isolates the pods; undefined where only other people's policies do. */
  readonly profile: SegmentationProfile | undefined;
  /** The namespaces that the profile selects. */
  readonly namespaces: ReadonlySet<string>;
  /** All pods of the cluster. */
  readonly pods: readonly Pod[];
  /** Names of the policies of the namespace: one that is suggested replaces none of them. */
  readonly policyNames: readonly string[];
}

export type Remedy = (
  | {
      readonly kind: 'rule';
      readonly profile: string;
      readonly rule: IngressRule | EgressRule;
      /** The profile with the rule. */
      readonly changed: SegmentationProfile;
    }
  | { readonly kind: 'policy'; readonly policy: NetworkPolicy }
) & {
  readonly direction: PolicyType;
  /** Other pods that the rule is for too, since their labels are the same. */
  readonly alsoSubjects: readonly Pod[];
  /** Other pods that it names as peers too. */
  readonly alsoPeers: readonly Pod[];
};

/** The schema's bound on the rules of a direction. */
const MAX_RULES = 64;
const MAX_NAME = 63;

/** Undefined where no rule can name the other end: a pod that has no labels of use has an address at least. */
export function remedy(input: RemedyInput): Remedy | undefined {
  const { direction, subjects, pods, ports, profile } = input;
  const namespace = subjects[0]?.namespace ?? '';
  const peers = peersOf(input);
  if (peers === undefined) return undefined;
  const portList = ports.map(({ port, protocol }) => ({ protocol, port }));
  const isSubject = new Set<Pod>(subjects);
  const among = (selected: ReadonlySet<string>) =>
    pods.filter((pod) => selected.has(pod.namespace) && !isSubject.has(pod) && pod.hostNetwork !== true);
  const inNamespace = selectorFor(subjects, among(new Set([namespace])));
  const common = { direction, alsoPeers: peers.also } as const;

  const inProfile = profile && selectorFor(subjects, among(input.namespaces));
  const rules = profile?.spec[direction === 'Ingress' ? 'ingress' : 'egress'] ?? [];
  // A rule of a profile is for all of its namespaces: where another one has the like, a policy of the namespace is less.
  if (profile && inProfile && inProfile.also.length <= inNamespace.also.length && rules.length < MAX_RULES) {
    const rule = {
      name: freeName(
        input.name,
        rules.map(({ name }) => name),
      ),
      podSelector: inProfile.selector,
      [direction === 'Ingress' ? 'from' : 'to']: peers.list,
      ...(portList.length > 0 && { ports: portList }),
    } as unknown as IngressRule & EgressRule;
    return {
      ...common,
      kind: 'rule',
      profile: profile.metadata.name,
      rule,
      changed: withRule(profile, direction, rule),
      alsoSubjects: inProfile.also,
    };
  }
  const rule = {
    [direction === 'Ingress' ? 'from' : 'to']: peers.list as readonly NetworkPolicyPeer[],
    ...(portList.length > 0 && { ports: portList }),
  };
  return {
    ...common,
    kind: 'policy',
    policy: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: freeName(input.name, input.policyNames), namespace },
      spec: {
        podSelector: inNamespace.selector,
        policyTypes: [direction],
        ...(direction === 'Ingress' ? { ingress: [rule] } : { egress: [rule] }),
      },
    },
    alsoSubjects: inNamespace.also,
  };
}

/** `profile` with one more rule. */
export function withRule(
  profile: SegmentationProfile,
  direction: PolicyType,
  rule: IngressRule & EgressRule,
): SegmentationProfile {
  const { spec } = profile;
  return {
    ...profile,
    spec:
      direction === 'Ingress'
        ? { ...spec, ingress: [...(spec.ingress ?? []), rule] }
        : { ...spec, egress: [...(spec.egress ?? []), rule] },
  };
}

function peersOf({
  peer,
  pods,
  subjects,
}: RemedyInput): { list: readonly Peer[]; also: readonly Pod[] } | undefined {
  if ('addresses' in peer) return blocks(peer.addresses);
  const [first] = peer.pods;
  if (first === undefined) return undefined;
  // Pods of the host network are known by their node's address only.
  if (first.hostNetwork === true) return blocks(peer.pods.flatMap(({ ips }) => ips));
  const { namespace } = first;
  const members = new Set(peer.pods);
  const others = pods.filter(
    (pod) => pod.namespace === namespace && !members.has(pod) && pod.hostNetwork !== true,
  );
  const { selector, also } = selectorFor(peer.pods, others);
  const own = subjects[0]?.namespace === namespace;
  const namespaceSelector = { matchLabels: { [LABEL_NAMESPACE_NAME]: namespace } };
  return { list: [{ ...(!own && { namespaceSelector }), podSelector: selector }], also };
}

function blocks(addresses: readonly string[]): { list: readonly Peer[]; also: readonly Pod[] } | undefined {
  const cidrs = [...new Set(addresses.flatMap((address) => singleAddressCidr(address) ?? []))].sort();
  return cidrs.length === 0 ? undefined : { list: cidrs.map((cidr) => ({ ipBlock: { cidr } })), also: [] };
}

/** Labels that say what a pod is, the most telling first. */
const TELLING = [
  'app.kubernetes.io/name',
  'app',
  'k8s-app',
  'app.kubernetes.io/component',
  'app.kubernetes.io/instance',
  'component',
  'name',
  'run',
  'tier',
  'role',
];
/** Labels that change from pod to pod or from one rollout to the next. */
const PASSING =
  /^(pod-template-hash|controller-revision-hash|pod-template-generation|(batch\.kubernetes\.io\/)?(controller-uid|job-completion-index)|(statefulset|apps)\.kubernetes\.io\/pod-(name|index))$/;

/**
 * The selector with the fewest labels that matches all of `members` and none of `others`; with all labels that the
 * members share where no fewer will do, and then `also` are the others that it matches.
 */
export function selectorFor(
  members: readonly Pod[],
  others: readonly Pod[],
): { readonly selector: LabelSelector; readonly also: readonly Pod[] } {
  const [first, ...rest] = members;
  const shared = Object.entries(first?.labels ?? {})
    .filter(([key, value]) => !PASSING.test(key) && rest.every(({ labels }) => labels[key] === value))
    .sort(([a], [b]) => rank(a) - rank(b) || compareText(a, b));
  const caught = (selector: LabelSelector) => others.filter(({ labels }) => matches(selector, labels));
  for (const labels of [...shared.map((label) => [label]), ...pairs(shared), shared]) {
    const selector = labels.length === 0 ? {} : { matchLabels: Object.fromEntries(labels) };
    const also = caught(selector);
    if (also.length === 0 || labels === shared) return { selector, also };
  }
  return { selector: {}, also: caught({}) };
}

function rank(key: string): number {
  const index = TELLING.indexOf(key);
  return index < 0 ? TELLING.length : index;
}

function pairs<T>(items: readonly T[]): T[][] {
  return items.flatMap((a, index) => items.slice(index + 1).map((b) => [a, b]));
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
