/** The rules of profiles and policies with the observed flows that used them, and how much narrower each could be. Pure. */
import { formatPorts, unionPorts } from '../../../analysis/model/ports.ts';
import { compilePolicy, type Rule, selectsPort, selectsRemote } from '../../../analysis/model/rules.ts';
import type { NetworkPolicy, PolicyType } from '../../../api/network-policy.ts';
import { notesOf } from '../../../policy/notes.ts';
import { parseAddress } from '../../../policy/semantics/cidr.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import type { WorkloadPod } from '../../../snapshot/pods.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { greatest } from '../../../util/greatest.ts';
import { compareText } from '../../../util/order.ts';
import type { JudgedGroup } from '../../flows/judged.ts';
import type { ObservedGroup } from '../../flows/observed.ts';
import { labelOf } from '../../snapshot/flow-ends.ts';

export interface RuleUsage {
  /** The profile, or namespace and name of a foreign policy. */
  readonly owner: string;
  /** The rule's name, as in `connection web-to-cart`, `rule from-web`, `baseline.dns`, or `ingress rule 1` of a foreign policy. */
  readonly rule: string;
  /** The flows that it allows. Empty if nothing used it. */
  readonly used: readonly ObservedGroup[];
  readonly count: number;
  readonly lastSeen: number | undefined;
  /** The part of the rule that was not used; absent if all of it was used, or nothing. */
  readonly narrower?: Narrower;
}

export interface Narrower {
  /** Workloads that it lets connect, and that did not. */
  readonly sources: Unused;
  /** Workloads that it lets be connected to, and that were not. */
  readonly destinations: Unused;
  /** The ports that were used, if it allows others. */
  readonly ports?: string;
  /** The addresses outside that were used, if it allows others. */
  readonly addresses?: readonly string[];
}

interface Unused {
  readonly allowed: number;
  readonly unused: readonly string[];
}

/** A rule of a policy that stands for a rule of a profile. */
interface Part {
  readonly policy: NetworkPolicy;
  readonly direction: PolicyType;
  readonly rule: Rule;
}

interface Entry {
  readonly owner: string;
  readonly rule: string;
  readonly parts: Part[];
  readonly used: Set<ObservedGroup>;
}

/** @param judged allowed flows, judged by these policies */
export function ruleUsage(
  policies: readonly NetworkPolicy[],
  judged: readonly JudgedGroup[],
  snapshot: Snapshot,
): RuleUsage[] {
  const entries = entriesOf(policies, snapshot);
  for (const { group, answers } of judged) {
    for (const { explanation } of answers) {
      for (const { direction, allowedBy } of [explanation.egress, explanation.ingress]) {
        for (const { namespace, policy, index } of allowedBy)
          entries.byPlace.get(placeOf(namespace, policy, direction, index))?.used.add(group);
      }
    }
  }
  return [...entries.all.values()]
    .map((entry) => usageOf(entry, snapshot))
    .toSorted(
      (a, b) =>
        Number(a.count > 0) - Number(b.count > 0) ||
        compareText(a.owner, b.owner) ||
        compareText(a.rule, b.rule),
    );
}

interface Entries {
  readonly all: ReadonlyMap<string, Entry>;
  /** By policy, direction and index of its rule. */
  readonly byPlace: ReadonlyMap<string, Entry>;
}

function entriesOf(policies: readonly NetworkPolicy[], snapshot: Snapshot): Entries {
  const all = new Map<string, Entry>();
  const byPlace = new Map<string, Entry>();
  const entry = (owner: string, rule: string) => {
    const key = `${owner} ${rule}`;
    const found = all.get(key) ?? { owner, rule, parts: [], used: new Set() };
    all.set(key, found);
    return found;
  };
  // A connection of which no end lies in a selected namespace is in no policy.
  for (const { metadata, spec } of snapshot.profiles)
    for (const { name } of spec.connections ?? []) entry(metadata.name, `connection ${name}`);
  for (const policy of policies) {
    const { namespace = 'default', name } = policy.metadata;
    const owner = snapshot.ownerOf(policy);
    const notes = owner === undefined ? [] : notesOf(policy);
    const compiled = compilePolicy(policy);
    for (const direction of ['Ingress', 'Egress'] as const) {
      for (const [index, rule] of (compiled[direction] ?? []).entries()) {
        const note = notes[index];
        const own =
          owner !== undefined && note !== undefined
            ? entry(owner, ruleText(note))
            : entry(`${namespace}/${name}`, `${direction.toLowerCase()} rule ${index + 1}`);
        own.parts.push({ policy, direction, rule });
        byPlace.set(placeOf(namespace, name, direction, index), own);
      }
    }
  }
  return { all, byPlace };
}

function placeOf(namespace: string, policy: string, direction: PolicyType, index = -1): string {
  return `${namespace}/${policy} ${direction} ${index}`;
}

function ruleText({ rule, kind }: { readonly rule: string; readonly kind?: 'connection' }): string {
  if (kind !== undefined) return `${kind} ${rule}`;
  return rule.startsWith('baseline.') ? rule : `rule ${rule}`;
}

function usageOf({ owner, rule, parts, used }: Entry, snapshot: Snapshot): RuleUsage {
  const groups = [...used];
  const times = groups.flatMap(({ lastSeen }) => lastSeen ?? []);
  const narrower = groups.length === 0 ? undefined : narrowerThan(parts, groups, snapshot);
  return {
    owner,
    rule,
    used: groups,
    count: groups.reduce((sum, { count }) => sum + count, 0),
    lastSeen: greatest(times),
    ...(narrower && { narrower }),
  };
}

function narrowerThan(
  parts: readonly Part[],
  groups: readonly ObservedGroup[],
  snapshot: Snapshot,
): Narrower | undefined {
  const allowed = { sources: new Set<string>(), destinations: new Set<string>() };
  const labels = new Map(snapshot.namespaces.map(({ name, labels }) => [name, labels]));
  for (const part of parts) {
    const own = podsOf(part, snapshot.pods).map(labelOf);
    const peers = peersOf(part, snapshot.pods, labels).map(labelOf);
    const [sources, destinations] = part.direction === 'Egress' ? [own, peers] : [peers, own];
    for (const each of sources) allowed.sources.add(each);
    for (const each of destinations) allowed.destinations.add(each);
  }
  const sources = unusedOf(allowed.sources, new Set(groups.map(({ source }) => source.label)));
  const destinations = unusedOf(
    allowed.destinations,
    new Set(groups.map(({ destination }) => destination.label)),
  );
  const ports = narrowerPorts(parts, groups);
  const addresses = narrowerAddresses(parts, groups);
  const isNarrower =
    sources.unused.length + destinations.unused.length > 0 || ports !== undefined || addresses !== undefined;
  return isNarrower
    ? { sources, destinations, ...(ports !== undefined && { ports }), ...(addresses && { addresses }) }
    : undefined;
}

function unusedOf(allowed: ReadonlySet<string>, used: ReadonlySet<string>): Unused {
  return { allowed: allowed.size, unused: [...allowed.difference(used)].sort(compareText) };
}

function isInNetwork({ hostNetwork }: WorkloadPod): boolean {
  return hostNetwork !== true;
}

function podsOf({ policy }: Part, pods: readonly WorkloadPod[]): WorkloadPod[] {
  const { namespace, podSelector } = compilePolicy(policy);
  return pods.filter(
    (pod) => isInNetwork(pod) && pod.namespace === namespace && matches(podSelector, pod.labels),
  );
}

function peersOf(
  { rule }: Part,
  pods: readonly WorkloadPod[],
  labels: ReadonlyMap<string, Readonly<Record<string, string>>>,
): WorkloadPod[] {
  return pods.filter(
    (pod) =>
      isInNetwork(pod) &&
      selectsRemote(
        rule.peers,
        {
          pod,
          namespaceLabels: labels.get(pod.namespace) ?? {},
          address: () => parseAddress(pod.ips[0] ?? ''),
        },
        { podsInIPBlocks: true },
      ),
  );
}

/** The used ports, if a rule allows all ports, a range of which others were not used, or a port that was not. */
function narrowerPorts(parts: readonly Part[], groups: readonly ObservedGroup[]): string | undefined {
  const isUsed = (ports: Rule['ports']) =>
    groups.filter(({ port, protocol, destination }) =>
      selectsPort(ports, port, protocol, destination.pods[0]?.ports ?? []),
    );
  const isWide = parts.some(({ rule: { ports } }) => {
    if (ports === 'any') return true;
    return ports.some((port) => {
      const used = new Set(isUsed([port]).map((group) => group.port));
      return used.size < ('from' in port ? port.to - port.from + 1 : 1);
    });
  });
  if (!isWide) return undefined;
  const ranges = groups.map(({ port, protocol }) => ({ protocol, from: port, to: port }));
  return formatPorts(unionPorts([ranges]));
}

/** Addresses that are named as used; of more, nothing is said. */
const MAX_ADDRESSES = 20;

/** The used addresses, if they are few and a rule allows more. */
function narrowerAddresses(
  parts: readonly Part[],
  groups: readonly ObservedGroup[],
): readonly string[] | undefined {
  const blocks = parts.flatMap(({ rule: { peers } }) =>
    peers === 'any' ? [] : peers.flatMap((peer) => (peer.kind === 'ipBlock' ? [peer] : [])),
  );
  const isAny = parts.some(({ rule }) => rule.peers === 'any');
  const ends = groups.flatMap(({ from, to }) => [from, to]).filter((end) => end.kind === 'addresses');
  const ips = [...new Set(ends.flatMap((end) => [...end.ips]))].sort(compareText);
  if (ends.some(({ hasMore }) => hasMore) || ips.length > MAX_ADDRESSES) return undefined;
  const allowed = new Set(blocks.map(({ cidr, except }) => `${cidr.first}-${cidr.last} ${except.length}`))
    .size;
  const isSingle = blocks.every(({ cidr }) => cidr.first === cidr.last);
  if (blocks.length === 0 && !isAny) return undefined;
  return !isAny && isSingle && allowed <= ips.length ? undefined : ips;
}
