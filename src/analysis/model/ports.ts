/** Sets of destination ports: of a view's policies, and for a person. */
import type { NetworkPolicyPort, Protocol } from '../../api/network-policy.ts';
import type { ContainerPort, Pod } from '../cluster.ts';
import { type CompiledPort, type Rule, selectsPort } from './rules.ts';

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

/** A set of ports of one PortSpace: a bit for each of its segments. */
export type PortMask = bigint;

/**
 * All ports, cut into segments of which each rule of a view allows all ports or none. A set of ports is then a number,
 * and what two sets have in common one operation.
 */
export class PortSpace {
  readonly #segments: readonly PortRange[];
  readonly every: PortMask;
  readonly #ranges = new Map<PortMask, readonly PortRange[]>();
  readonly #masks = new WeakMap<Rule, PortMask>();

  /** @param pods whose named ports the rules may mean */
  constructor(rules: Iterable<Rule>, pods: Iterable<Pod>) {
    this.#segments = segmentsOf(rules, pods);
    this.every = (1n << BigInt(this.#segments.length)) - 1n;
    this.#ranges.set(this.every, EVERY_PORT);
  }

  /** The ports of a rule, where names stand for `containerPorts`; undefined for a destination that is no pod. */
  maskOf(rule: Rule, containerPorts: readonly ContainerPort[] | undefined): PortMask {
    if (rule.ports === 'any') return this.every;
    if (hasNames(rule)) return this.#select(rule, containerPorts);
    let mask = this.#masks.get(rule);
    if (mask === undefined) this.#masks.set(rule, (mask = this.#select(rule, undefined)));
    return mask;
  }

  /** In order, and as few as possible; the same list for the same mask. */
  rangesOf(mask: PortMask): readonly PortRange[] {
    let ranges = this.#ranges.get(mask);
    if (ranges === undefined) {
      ranges = joined(this.#segments.filter((_, index) => ((mask >> BigInt(index)) & 1n) === 1n));
      this.#ranges.set(mask, ranges);
    }
    return ranges;
  }

  #select({ ports }: Rule, containerPorts: readonly ContainerPort[] | undefined): PortMask {
    const bits = this.#segments.map(({ protocol, from }) =>
      selectsPort(ports, from, protocol, containerPorts) ? '1' : '0',
    );
    return BigInt(`0b0${bits.toReversed().join('')}`);
  }
}

/** Whether what the rule's ports stand for depends on the destination. */
export function hasNames({ ports }: Rule): boolean {
  return ports !== 'any' && ports.some((port) => 'name' in port);
}

/** All ports, in ranges of which each rule allows all or none. @param pods whose named ports the rules may mean */
export function segmentsOf(rules: Iterable<Rule>, pods: Iterable<Pod>): PortRange[] {
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
function joined(ranges: readonly PortRange[]): PortRange[] {
  const result: PortRange[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    if (last?.protocol === range.protocol && last.to + 1 === range.from) {
      result[result.length - 1] = { ...last, to: range.to };
    } else result.push(range);
  }
  return result;
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
