/** Comparison of passes: if one passes all that another one passes. Pure. */
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import { containsCidr, overlapsCidr, parseCidr } from '../semantics/cidr.ts';
import type { GuardPass, GuardPeer, PortRange } from './guard.ts';
import { includesSelector } from './selectors.ts';

/** True if `outer` passes every flow that `inner` passes. False says nothing: several passes together may do so. */
export function coversPass(outer: Omit<GuardPass, 'rules'>, inner: Omit<GuardPass, 'rules'>): boolean {
  return coversPorts(outer.ports, inner.ports) && coversPeer(outer.peer, inner.peer);
}

function coversPeer(outer: GuardPeer, inner: GuardPeer): boolean {
  if (outer.kind === 'everyone') return true;
  if (outer.kind === 'pods' && inner.kind === 'pods')
    return (
      includesSelector(outer.namespaceSelector, inner.namespaceSelector) &&
      includesSelector(outer.podSelector, inner.podSelector)
    );
  return outer.kind === 'addresses' && inner.kind === 'addresses' && coversAddresses(outer, inner);
}

type Addresses = Extract<GuardPeer, { kind: 'addresses' }>;

function coversAddresses(outer: Addresses, inner: Addresses): boolean {
  const [whole, part] = [parseCidr(outer.cidr), parseCidr(inner.cidr)];
  if (whole === undefined || part === undefined || !containsCidr(whole, part)) return false;
  const left = inner.except.flatMap((each) => parseCidr(each) ?? []);
  return outer.except
    .flatMap((each) => parseCidr(each) ?? [])
    .every((hole) => !overlapsCidr(hole, part) || left.some((each) => containsCidr(each, hole)));
}

function coversPorts(
  outer: readonly PortRange[] | undefined,
  inner: readonly PortRange[] | undefined,
): boolean {
  if (outer === undefined) return true;
  return (
    inner?.every(({ protocol, from, to }) =>
      outer.some((range) => range.protocol === protocol && range.from <= from && to <= range.to),
    ) ?? false
  );
}

/** The ranges of a rule's ports; undefined for every port. A named port may be any number, so that it is every port. */
export function portRanges(
  ports: readonly NetworkPolicyPort[] | undefined,
): readonly PortRange[] | undefined {
  if (ports === undefined || ports.length === 0) return undefined;
  const ranges: PortRange[] = [];
  for (const { protocol = 'TCP', port, endPort } of ports) {
    if (typeof port === 'string') return undefined;
    ranges.push({ protocol, from: port ?? 1, to: port === undefined ? LAST_PORT : (endPort ?? port) });
  }
  return ranges;
}

const LAST_PORT = 65_535;
