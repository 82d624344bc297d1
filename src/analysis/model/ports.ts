/** Sets of destination ports, and their text for people. */
import type { NetworkPolicyPort, Protocol } from '../../api/network-policy.ts';
import type { ContainerPort, Pod } from '../cluster.ts';
import { type CompiledPort, type Rule, selectsPort } from './rules.ts';

/** Ports of one protocol, `from` and `to` included. */
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

/** A set of ports of one PortSpace, with a bit for each of its segments. */
export type PortMask = bigint;

/**
 * All ports, divided into segments of which each rule of a view allows all ports or none. A set of ports is then a
 * number, and an intersection of two sets is one operation.
 */
export class PortSpace {
  readonly #segments: readonly PortRange[];
  readonly every: PortMask;
  readonly #ranges = new Map<PortMask, readonly PortRange[]>();
  readonly #masks = new WeakMap<Rule, PortMask>();

  /** @param pods the destinations whose port names the rules may use */
  constructor(rules: Iterable<Rule>, pods: Iterable<Pod>) {
    this.#segments = segmentsOf(rules, pods);
    this.every = (1n << BigInt(this.#segments.length)) - 1n;
    this.#ranges.set(this.every, EVERY_PORT);
  }

  /** The ports of a rule. Names are resolved in `containerPorts`, which is undefined outside the pod network. */
  maskOf(rule: Rule, containerPorts: readonly ContainerPort[] | undefined): PortMask {
    if (rule.ports === 'any') return this.every;
    if (hasNames(rule)) return this.#select(rule, containerPorts);
    let mask = this.#masks.get(rule);
    if (mask === undefined) this.#masks.set(rule, (mask = this.#select(rule, undefined)));
    return mask;
  }

  /** The fewest ranges with these ports, in order. Each call with an equal mask returns the same list. */
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

/** True if the rule has named ports, which mean different numbers at different destinations. */
export function hasNames({ ports }: Rule): boolean {
  return ports !== 'any' && ports.some((port) => 'name' in port);
}

/**
 * All ports, in ranges of which each rule allows all ports or none.
 *
 * @param pods the destinations whose port names the rules may use
 */
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

/** Joins adjacent ranges. `ranges` are disjoint and in order. */
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

/** Text such as `TCP 80, 8000-8100; UDP 53`, `all TCP ports` or `all ports`. */
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

/** Text of a rule's ports, in the form of `formatPorts`; names are not resolved. */
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

/** The ports of `a` that are not in `b`. Both lists are disjoint and in order, and so is the result. */
export function subtractPorts(a: readonly PortRange[], b: readonly PortRange[]): PortRange[] {
  return a.flatMap((range) => {
    let rest = [range];
    for (const hole of b) {
      if (hole.protocol !== range.protocol) continue;
      rest = rest.flatMap(({ protocol, from, to }) =>
        [
          { protocol, from, to: Math.min(to, hole.from - 1) },
          { protocol, from: Math.max(from, hole.to + 1), to },
        ].filter((part) => part.from <= part.to),
      );
    }
    return rest;
  });
}

/** The fewest ranges with the ports of all lists, in order. */
export function unionPorts(lists: readonly (readonly PortRange[])[]): PortRange[] {
  const sorted = lists
    .flat()
    .toSorted((a, b) => PROTOCOLS.indexOf(a.protocol) - PROTOCOLS.indexOf(b.protocol) || a.from - b.from);
  const result: PortRange[] = [];
  for (const range of sorted) {
    const last = result.at(-1);
    if (last?.protocol === range.protocol && range.from <= last.to + 1) {
      result[result.length - 1] = { ...last, to: Math.max(last.to, range.to) };
    } else result.push(range);
  }
  return result;
}
