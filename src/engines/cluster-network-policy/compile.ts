/**
 * From a guard to the rules of a ClusterNetworkPolicy: passes, and then a rule that denies the rest. Pure.
 *
 * The kind knows only pods as sources of ingress: addresses and nodes are neither passed nor denied there, and
 * NetworkPolicies alone decide about them. Where an address may be a pod's, all pods are passed on its ports.
 */
import type { LabelSelector } from '../../api/meta.ts';
import type { PolicyType } from '../../api/network-policy.ts';
import type { Guard, GuardDirection, GuardPass, PortRange } from '../../policy/guard/guard.ts';
import {
  type Cidr,
  formatCidr,
  mergeCidrs,
  overlapsCidr,
  parseCidr,
  subtractCidrs,
} from '../../policy/semantics/cidr.ts';
import { selectorKey } from '../../policy/semantics/selector.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { counted, listText, shortList } from '../../util/list-text.ts';
import { byKey } from '../../util/order.ts';
import { type CompiledGuard, type GuardForm, type GuardTooLarge, ruleMeaning } from '../guards/carrier.ts';
import {
  type AtLeastOne,
  type EgressPeer,
  type EgressRule,
  type IngressRule,
  MAX_CIDRS,
  MAX_PEERS,
  MAX_PORTS,
  MAX_RULE_NAME,
  MAX_RULES,
  type PodsPeer,
  type ProtocolMatch,
} from './policy.ts';

export type DirectionRules = readonly (IngressRule | EgressRule)[];

const ALL_PODS: PodsPeer = { namespaces: {} };
const ALL_ADDRESSES = ['0.0.0.0/0', '::/0'] as const;

/** The rule that ends each guarded direction. */
export const REST: Readonly<Record<PolicyType, IngressRule | EgressRule>> = {
  Ingress: { name: 'rest', action: 'Deny', from: [ALL_PODS] },
  Egress: { name: 'rest', action: 'Deny', to: [ALL_PODS, { networks: ALL_ADDRESSES }] },
};

export function compileGuardForm({ subject, directions }: Guard): CompiledGuard | GuardTooLarge {
  const open: { direction: PolicyType; rules: readonly string[] }[] = [];
  const rules: Partial<Record<PolicyType, DirectionRules>> = {};
  const tooLarge: string[] = [];
  for (const each of directions) {
    const { direction } = each;
    const groups = groupsOf(each);
    const everything = groups.find(({ ports, peers }) => ports === undefined && passesAll(peers, direction));
    if (everything !== undefined) {
      open.push({ direction, rules: [...everything.names].sort() });
      continue;
    }
    const passes = groups.flatMap((group) => rulesOfGroup(group, direction));
    rules[direction] = [...passes, REST[direction]];
    if (passes.length + 1 > MAX_RULES) tooLarge.push(`${passes.length + 1} rules of ${direction}`);
  }
  if (tooLarge.length === 0) return { kind: 'compiled', form: { subject, rules }, open };
  return { kind: 'too-large', message: tooLargeMessage(tooLarge) };
}

/** All that one form or the other passes; undefined if the rules are too many. Only directions that both guard are guarded. */
export function unionOf(before: GuardForm, form: GuardForm): GuardForm | undefined {
  const rules: Partial<Record<PolicyType, readonly object[]>> = {};
  for (const direction of ['Ingress', 'Egress'] as const) {
    const [old, next] = [before.rules[direction], form.rules[direction]];
    if (old === undefined || next === undefined) continue;
    const all = [...next.slice(0, -1), ...old.slice(0, -1)];
    const distinct = [...new Map(all.map((rule) => [ruleMeaning(rule), rule])).values()];
    if (distinct.length + 1 > MAX_RULES) return undefined;
    rules[direction] = [...distinct, REST[direction]];
  }
  return { subject: form.subject, rules };
}

/** Peers that are passed on the same ports. */
interface Group {
  readonly ports: readonly PortRange[] | undefined;
  readonly peers: Peers;
  readonly names: ReadonlySet<string>;
}

interface Peers {
  readonly pods: ReadonlyMap<string, PodsPeer>;
  readonly networks: readonly Cidr[];
}

/** The groups in the order of their ports; the group of all ports comes first. */
function groupsOf(direction: GuardDirection): Group[] {
  const byPorts = Map.groupBy(direction.passes, ({ ports }) => portsKey(ports));
  return [...byPorts].sort(byKey).flatMap(([, passes]) => {
    const [first] = passes;
    const peers = peersOf(passes, direction);
    if (first === undefined || peers.pods.size + peers.networks.length === 0) return [];
    const names = new Set(passes.flatMap(({ rules }) => rules));
    return [{ ports: first.ports && distinctPorts(first.ports), peers, names }];
  });
}

function peersOf(passes: readonly GuardPass[], { direction, podRanges }: GuardDirection): Peers {
  const pods = new Map<string, PodsPeer>();
  const networks: Cidr[] = [];
  const addPods = (peer: PodsPeer) => pods.set(canonicalJSON(peer), peer);
  for (const { peer } of passes) {
    if (peer.kind === 'pods') {
      addPods(podsPeer(peer.namespaceSelector, peer.podSelector));
    } else if (peer.kind === 'everyone') {
      addPods(ALL_PODS);
      networks.push(...parsed(ALL_ADDRESSES));
    } else if (direction === 'Egress') {
      networks.push(...parsed([peer.cidr]).flatMap((cidr) => subtractCidrs(cidr, parsed(peer.except))));
    } else if (mayBePods(peer, podRanges)) {
      addPods(ALL_PODS);
    }
  }
  const all = pods.get(canonicalJSON(ALL_PODS));
  return {
    pods: all === undefined ? new Map([...pods].sort(byKey)) : new Map([['', all]]),
    networks: direction === 'Egress' ? mergeCidrs(networks) : [],
  };
}

function podsPeer(namespaceSelector: LabelSelector, podSelector: LabelSelector): PodsPeer {
  return selectorKey(podSelector) === '{}'
    ? { namespaces: namespaceSelector }
    : { pods: { namespaceSelector, podSelector } };
}

function mayBePods(
  { cidr, except }: { readonly cidr: string; readonly except: readonly string[] },
  podRanges: readonly string[] | undefined,
): boolean {
  if (podRanges === undefined) return true;
  const left = parsed([cidr]).flatMap((each) => subtractCidrs(each, parsed(except)));
  return parsed(podRanges).some((range) => left.some((each) => overlapsCidr(each, range)));
}

/** True if nothing would be left for the rule that denies. */
function passesAll({ pods, networks }: Peers, direction: PolicyType): boolean {
  if (![...pods.values()].some((peer) => 'namespaces' in peer && selectorKey(peer.namespaces) === '{}'))
    return false;
  return direction === 'Ingress' || networks.map(formatCidr).join() === ALL_ADDRESSES.join();
}

function rulesOfGroup({ ports, peers, names }: Group, direction: PolicyType): (IngressRule | EgressRule)[] {
  const name = ruleName(names);
  const networks = chunks(peers.networks.map(formatCidr), MAX_CIDRS).map((cidrs) => ({ networks: cidrs }));
  const lists = chunks<EgressPeer>([...peers.pods.values(), ...networks], MAX_PEERS);
  const protocols = ports === undefined ? [undefined] : chunks(ports.map(protocolMatch), MAX_PORTS);
  return lists.flatMap((list) =>
    protocols.map((each) => {
      const rule = { name, action: 'Pass' as const, ...(each && { protocols: each }) };
      return direction === 'Ingress'
        ? { ...rule, from: list as AtLeastOne<PodsPeer> }
        : { ...rule, to: list };
    }),
  );
}

/** The names of the rules for which a pass is there, as many as fit. */
function ruleName(names: ReadonlySet<string>): string {
  const sorted = [...names].sort();
  for (let most = sorted.length; most > 0; most--) {
    const text = shortList(sorted, { most });
    if (text.length <= MAX_RULE_NAME) return text;
  }
  return counted(sorted.length, 'rule');
}

function protocolMatch({ protocol, from, to }: PortRange): ProtocolMatch {
  const port = { destinationPort: from === to ? { number: from } : { range: { start: from, end: to } } };
  return protocol === 'TCP' ? { tcp: port } : protocol === 'UDP' ? { udp: port } : { sctp: port };
}

function distinctPorts(ports: readonly PortRange[]): readonly PortRange[] {
  return [...new Map(ports.map((port) => [portKey(port), port])).values()].sort((a, b) =>
    portKey(a) < portKey(b) ? -1 : 1,
  );
}

function portsKey(ports: readonly PortRange[] | undefined): string {
  return ports === undefined ? '' : [...new Set(ports.map(portKey))].sort().join();
}

function portKey({ protocol, from, to }: PortRange): string {
  return `${protocol} ${String(from).padStart(5, '0')}-${String(to).padStart(5, '0')}`;
}

function parsed(cidrs: readonly string[]): Cidr[] {
  return cidrs.flatMap((cidr) => parseCidr(cidr) ?? []);
}

function chunks<T>(items: readonly T[], size: number): AtLeastOne<T>[] {
  const result: AtLeastOne<T>[] = [];
  for (let start = 0; start < items.length; start += size) {
    const [first, ...more] = items.slice(start, start + size);
    if (first !== undefined) result.push([first, ...more]);
  }
  return result;
}

function tooLargeMessage(parts: readonly string[]): string {
  return (
    `the guard needs ${listText(parts)}, and a ClusterNetworkPolicy has at most ${MAX_RULES} of a direction, with ` +
    `${MAX_PEERS} peers of ${MAX_CIDRS} CIDRs each: give rules the same ports, use wider peers, or divide the profile in two`
  );
}
