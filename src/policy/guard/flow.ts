/** Decides for a flow if a guard passes it. Pure. */
import type { StringMap } from '../../api/meta.ts';
import type { PolicyType, Protocol } from '../../api/network-policy.ts';
import { containsAddress, parseAddress, parseCidr } from '../semantics/cidr.ts';
import { matches } from '../semantics/selector.ts';
import type { Guard, GuardPeer, PortRange } from './guard.ts';

/** A flow as a guard sees it: between a pod of a guarded namespace and another end. */
export interface GuardedFlow {
  /** The direction as the guarded pod sees it. */
  readonly direction: PolicyType;
  readonly other: OtherEnd;
  readonly protocol: Protocol;
  /** The first and last destination port. */
  readonly from: number;
  readonly to: number;
}

export type OtherEnd =
  | { readonly kind: 'pod'; readonly namespaceLabels: StringMap; readonly labels: StringMap }
  | { readonly kind: 'address'; readonly ip: string };

/** True if a pass has all of the flow. A direction that is not guarded passes everything. */
export function passesFlow({ directions }: Guard, flow: GuardedFlow): boolean {
  const found = directions.find(({ direction }) => direction === flow.direction);
  return found?.passes.some(({ peer, ports }) => isPeer(peer, flow.other) && isOnPort(ports, flow)) ?? true;
}

/** The ports of each pass that has the other end as its peer, undefined for every port. A direction that is not guarded has none. */
export function passedPorts(
  { directions }: Guard,
  direction: PolicyType,
  other: OtherEnd,
): (readonly PortRange[] | undefined)[] {
  const found = directions.find((each) => each.direction === direction);
  return (found?.passes ?? []).filter(({ peer }) => isPeer(peer, other)).map(({ ports }) => ports);
}

function isPeer(peer: GuardPeer, other: OtherEnd): boolean {
  if (peer.kind === 'everyone') return true;
  if (peer.kind === 'pods')
    return (
      other.kind === 'pod' &&
      matches(peer.namespaceSelector, other.namespaceLabels) &&
      matches(peer.podSelector, other.labels)
    );
  return other.kind === 'address' && isInRange(peer, other.ip);
}

function isInRange({ cidr, except }: Extract<GuardPeer, { kind: 'addresses' }>, ip: string): boolean {
  const address = parseAddress(ip);
  const holds = (text: string) => {
    const range = parseCidr(text);
    return address !== undefined && range !== undefined && containsAddress(range, address);
  };
  return holds(cidr) && !except.some(holds);
}

function isOnPort(ports: readonly PortRange[] | undefined, flow: GuardedFlow): boolean {
  return (
    ports?.some(
      ({ protocol, from, to }) => protocol === flow.protocol && from <= flow.from && flow.to <= to,
    ) ?? true
  );
}
