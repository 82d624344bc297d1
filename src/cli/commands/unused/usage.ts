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
import type { DecidingPolicies } from '../../snapshot/layers.ts';
import { LayerUsage, type RuleName, ruleText } from './layer-usage.ts';

export interface RuleUsage extends RuleName {
  /** The flows that it allows. Empty if nothing used it. */
  readonly used: readonly ObservedGroup[];
  readonly count: number;
  /** The number of flows that it may allow besides: a part of it can't be evaluated. */
  readonly possibleCount: number;
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

interface Entry extends RuleName {
  readonly parts: Part[];
  readonly used: Set<ObservedGroup>;
  readonly possible: Set<ObservedGroup>;
}

/** @param judged allowed flows, judged by these policies */
export function ruleUsage(
  { policies, layers }: DecidingPolicies,
  judged: readonly JudgedGroup[],
  snapshot: Snapshot,
): RuleUsage[] {
  const entries = entriesOf(policies, snapshot);
  if (layers !== undefined) addLayers(entries, judged, new LayerUsage(snapshot.namespaces, layers));
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
    .toSorted((a, b) => useOf(a) - useOf(b) || compareText(a.owner, b.owner) || compareText(a.rule, b.rule));
}

/** 0 for a rule that was never used, 1 if nobody can tell, 2 for one that was used. */
function useOf({ count, possibleCount }: RuleUsage): number {
  return count > 0 ? 2 : possibleCount > 0 ? 1 : 0;
}

/** Adds the rules of layers, and the flows that they allow. */
function addLayers({ entry }: Entries, judged: readonly JudgedGroup[], usage: LayerUsage): void {
  for (const { owner, rule } of usage.rules()) entry(owner, rule);
  for (const { group, answers } of judged) {
    for (const { owner, rule, isCertain } of answers.flatMap((answer) => usage.usedBy(answer))) {
      const { used, possible } = entry(owner, rule);
      (isCertain ? used : possible).add(group);
    }
  }
}

interface Entries {
  readonly all: ReadonlyMap<string, Entry>;
  /** The entry of a rule, which is made if there is none. */
  readonly entry: (owner: string, rule: string) => Entry;
  /** By policy, direction and index of its rule. */
  readonly byPlace: ReadonlyMap<string, Entry>;
}

function entriesOf(policies: readonly NetworkPolicy[], snapshot: Snapshot): Entries {
  const all = new Map<string, Entry>();
  const byPlace = new Map<string, Entry>();
  const entry = (owner: string, rule: string): Entry => {
    const key = `${owner} ${rule}`;
    const found = all.get(key) ?? { owner, rule, parts: [], used: new Set(), possible: new Set() };
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
  return { all, entry, byPlace };
}

function placeOf(namespace: string, policy: string, direction: PolicyType, index = -1): string {
  return `${namespace}/${policy} ${direction} ${index}`;
}

function usageOf({ owner, rule, parts, used, possible }: Entry, snapshot: Snapshot): RuleUsage {
  const groups = [...used];
  const times = groups.flatMap(({ lastSeen }) => lastSeen ?? []);
  const narrower = groups.length === 0 ? undefined : narrowerThan(parts, [...used.union(possible)], snapshot);
  return {
    owner,
    rule,
    used: groups,
    count: countOf(groups),
    possibleCount: countOf([...possible.difference(used)]),
    lastSeen: greatest(times),
    ...(narrower && { narrower }),
  };
}

function countOf(groups: readonly ObservedGroup[]): number {
  return groups.reduce((sum, { count }) => sum + count, 0);
}

/** @param groups the flows that used the rule, or may have */
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
