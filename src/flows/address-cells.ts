/** Sums up addresses that no policy tells apart, so that a scan from a million addresses takes one entry. Pure. */
import type { NetworkPolicy } from '../api/network-policy.ts';
import { type Cidr, containsAddress, parseAddress, parseCidr } from '../policy/semantics/cidr.ts';
import { rulesOf } from '../policy/semantics/normalize.ts';

const MAX_CACHED = 100_000;

/** Returns a function from an address to its cell: the set of ranges in these policies that contain it. */
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
      cell = `IPv${address?.family} ${inside.join()}`;
      if (cells.size >= MAX_CACHED) cells.clear();
      cells.set(ip, cell);
    }
    return cell;
  };
}
