/** Sums up addresses that no policy tells apart, so that a scan from a million addresses takes one entry. Pure. */
import type { NetworkPolicy } from '../api/network-policy.ts';
import { type Cidr, containsAddress, parseAddress, parseCidr } from '../policy/semantics/cidr.ts';
import { rulesOf } from '../policy/semantics/normalize.ts';

/** Ranges of private networks and of single links (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291). */
export const PRIVATE_RANGES = {
  4: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  6: ['fc00::/7', 'fe80::/10'],
} as const;

const PRIVATE = [...PRIVATE_RANGES[4], ...PRIVATE_RANGES[6]].flatMap((range) => parseCidr(range) ?? []);

/** True if the address is of a private network or a single link. */
export function isPrivate(ip: string): boolean {
  const address = parseAddress(ip);
  return address !== undefined && PRIVATE.some((range) => containsAddress(range, address));
}

const MAX_CACHED = 100_000;

/**
 * Returns a function from an address to its cell: its family, if it is private, and the ranges of these policies that
 * contain it.
 */
export function addressCells(policies: readonly NetworkPolicy[]): (ip: string) => string {
  const texts = new Set(
    policies.flatMap(({ spec }) =>
      (['Ingress', 'Egress'] as const).flatMap((direction) =>
        rulesOf(spec, direction).flatMap(({ peers = [] }) =>
          peers.flatMap(({ ipBlock }) =>
            ipBlock === undefined ? [] : [ipBlock.cidr, ...(ipBlock.except ?? [])],
          ),
        ),
      ),
    ),
  );
  const ranges: readonly Cidr[] = [...texts].flatMap((text) => parseCidr(text) ?? []);
  const cells = new Map<string, string>();
  return (ip) => {
    let cell = cells.get(ip);
    if (cell === undefined) {
      const address = parseAddress(ip);
      const inside = ranges.flatMap((range, index) =>
        address !== undefined && containsAddress(range, address) ? [index] : [],
      );
      cell = `IPv${address?.family} ${isPrivate(ip) ? 'private' : 'public'} ${inside.join()}`;
      if (cells.size >= MAX_CACHED) cells.clear();
      cells.set(ip, cell);
    }
    return cell;
  };
}
