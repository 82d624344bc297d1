/** The protocols and ports of Calico's rules. Pure. */
import type { NetworkPolicyPort, Protocol } from '../../api/network-policy.ts';
import { listOf, type Raw, recordOf, textOf } from '../../policy/semantics/raw.ts';
import { type EngineRule, PROTOCOLS } from '../layers/engine-policy.ts';

const LAST_PORT = 65_535;

/** A port, a range `8000:8100`, or the name of a port. */
function portOf(value: unknown): Pick<NetworkPolicyPort, 'port' | 'endPort'> {
  if (typeof value === 'number') return { port: value };
  const [, first, last] = /^(\d+)(?::(\d+))?$/.exec(textOf(value)) ?? [];
  if (first === undefined) return { port: textOf(value) };
  return { port: Number(first), ...(last !== undefined && { endPort: Number(last) }) };
}

/** Protocols without ports, and without any flow that is evaluated. */
export const PORTLESS = /^(?:icmp|icmpv6|udplite|1|58|136)$/i;
/** The numbers of protocols with ports. */
const NUMBERS: Readonly<Record<string, Protocol>> = { 6: 'TCP', 17: 'UDP', 132: 'SCTP' };

/** The protocols with ports that the rule is for. Undefined if it is for another one. */
function protocolsOf({ protocol, notProtocol }: Raw): readonly Protocol[] | undefined {
  const known = (value: unknown) =>
    NUMBERS[textOf(value)] ?? PROTOCOLS.find((each) => each === textOf(value).toUpperCase());
  if (protocol !== undefined) {
    const named = known(protocol);
    return named === undefined ? undefined : [named];
  }
  const excluded = known(notProtocol);
  return PROTOCOLS.filter((each) => each !== excluded);
}

/** Undefined if the rule is for another protocol, or excludes ports by their names. */
export function portsOf(rule: Raw): EngineRule['ports'] | undefined {
  const { ports, notPorts } = recordOf(rule['destination']);
  const protocols = protocolsOf(rule);
  if (protocols === undefined) return undefined;
  const excluded = listOf(notPorts).map(portOf);
  const listed = listOf(ports).map(portOf);
  if (listed.length === 0 && excluded.length === 0) {
    return protocols.length === PROTOCOLS.length ? 'any' : protocols.map((protocol) => ({ protocol }));
  }
  const left =
    excluded.length === 0
      ? listed
      : without(listed.length === 0 ? [{ port: 0, endPort: LAST_PORT }] : listed, excluded);
  return left && protocols.flatMap((protocol) => left.map((each) => ({ protocol, ...each })));
}

type PortRange = Pick<NetworkPolicyPort, 'port' | 'endPort'>;

/** The ports without those that are excluded. Undefined if one of them has a name, which may be any number. */
function without(ports: readonly PortRange[], excluded: readonly PortRange[]): PortRange[] | undefined {
  let ranges: { readonly from: number; readonly to: number }[] = [];
  for (const { port, endPort } of ports) {
    if (typeof port !== 'number') return undefined;
    ranges.push({ from: port, to: endPort ?? port });
  }
  for (const { port, endPort } of excluded) {
    if (typeof port !== 'number') return undefined;
    const last = endPort ?? port;
    ranges = ranges.flatMap(({ from, to }) =>
      [
        { from, to: Math.min(to, port - 1) },
        { from: Math.max(from, last + 1), to },
      ].filter((range) => range.from <= range.to),
    );
  }
  return ranges.map(({ from, to }) => ({ port: from, ...(to > from && { endPort: to }) }));
}
