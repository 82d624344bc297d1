/** Sets of destination ports: which ports a view's policies tell apart, and how a person reads a set. */
import type { NetworkPolicyPort, Protocol } from '../api/network-policy.ts';
import type { Pod } from './cluster.ts';
import type { CompiledPort, Rule } from './rules.ts';

/** Ports of one protocol, both ends included. */
export interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
}

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const LAST = 65535;

/** Every port of every protocol. */
export const EVERY_PORT: readonly PortRange[] = PROTOCOLS.map((protocol) => ({
  protocol,
  from: 1,
  to: LAST,
}));

/**
 * All ports, cut into ranges each of which every rule allows either altogether or not at all, in order.
 *
 * @param rules those whose ports matter
 * @param pods whose named ports the rules may mean
 */
export function distinguishedPorts(rules: Iterable<Rule>, pods: Iterable<Pod>): readonly PortRange[] {
  const starts = new Map(PROTOCOLS.map((protocol) => [protocol, new Set([1])]));
  const cut = (protocol: Protocol, from: number, to: number) => {
    starts.get(protocol)?.add(Math.max(from, 1));
    if (to < LAST) starts.get(protocol)?.add(to + 1);
  };
  const names = new Set<string>();
  const cutAt = (port: CompiledPort) => {
    if ('name' in port) names.add(port.name);
    else cut(port.protocol, port.from, port.to);
  };
  for (const { ports } of rules) if (ports !== 'any') for (const port of ports) cutAt(port);
  for (const { ports = [] } of pods) {
    for (const { name, containerPort, protocol = 'TCP' } of ports) {
      if (name !== undefined && names.has(name)) cut(protocol, containerPort, containerPort);
    }
  }
  return PROTOCOLS.flatMap((protocol) => {
    const sorted = [...(starts.get(protocol) ?? [])].toSorted((a, b) => a - b);
    return sorted.map((from, index) => ({ protocol, from, to: (sorted[index + 1] ?? LAST + 1) - 1 }));
  });
}

/** The same ports in as few ranges as possible; `ranges` are disjoint and in order. */
export function joinRanges(ranges: readonly PortRange[]): PortRange[] {
  const joined: PortRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    if (last?.protocol === range.protocol && last.to + 1 === range.from) {
      joined[joined.length - 1] = { ...last, to: range.to };
    } else joined.push(range);
  }
  return joined;
}

/** As in `TCP 80, 8000-8100; UDP 53`; `all ports` and `all TCP ports` where that is so. */
export function formatPorts(ranges: readonly PortRange[]): string {
  const whole = ranges.filter(({ from, to }) => from <= 1 && to === LAST).map(({ protocol }) => protocol);
  if (whole.length === PROTOCOLS.length) return 'all ports';
  const parts = PROTOCOLS.flatMap((protocol) => {
    if (whole.includes(protocol)) return [`all ${protocol} ports`];
    const own = ranges.filter((range) => range.protocol === protocol);
    if (own.length === 0) return [];
    return [`${protocol} ${own.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(', ')}`];
  });
  return parts.join('; ');
}

/** A rule's ports as they are written, in the same form; names stay names. */
export function formatRulePorts(ports: readonly NetworkPolicyPort[] = []): string {
  if (ports.length === 0) return 'all ports';
  const parts = PROTOCOLS.flatMap((protocol) => {
    const own = ports.filter((each) => (each.protocol ?? 'TCP') === protocol);
    if (own.length === 0) return [];
    if (own.some(({ port }) => port === undefined)) return [`all ${protocol} ports`];
    const texts = own.map(({ port, endPort }) =>
      endPort === undefined || endPort === port ? String(port) : `${port}-${endPort}`,
    );
    return [`${protocol} ${[...new Set(texts)].join(', ')}`];
  });
  return parts.join('; ');
}
