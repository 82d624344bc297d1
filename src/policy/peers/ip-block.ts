/** Peers that are addresses. Pure. */
import type { IPBlock, NetworkPolicyPeer } from '../../api/network-policy.ts';
import { canonicalCidr, singleAddressCidr } from '../semantics/cidr.ts';

/** The block with its CIDRs in their canonical spelling; the schema has checked that they are CIDRs. */
export function ipBlockPeer({ cidr, except = [] }: IPBlock): NetworkPolicyPeer {
  const exceptions = [...new Set(except.map((each) => canonicalCidr(each) ?? each))];
  return {
    ipBlock: { cidr: canonicalCidr(cidr) ?? cidr, ...(exceptions.length > 0 && { except: exceptions }) },
  };
}

/** One peer (/32 or /128) for each distinct IP address; text that is no address is left out. */
export function addressPeers(addresses: readonly string[]): NetworkPolicyPeer[] {
  const cidrs = addresses.flatMap((address) => singleAddressCidr(address) ?? []);
  return [...new Set(cidrs)].sort().map((cidr) => ({ ipBlock: { cidr } }));
}
