/** Peers that are addresses. */
import type { IPBlock, NetworkPolicyPeer } from '../../api/network-policy.ts';
import { canonicalCidr, singleAddressCidr } from '../semantics/cidr.ts';

/** The schema has checked the CIDRs; here they are only brought into their one spelling. */
export function ipBlockPeer({ cidr, except = [] }: IPBlock): NetworkPolicyPeer {
  const exceptions = [...new Set(except.map((each) => canonicalCidr(each) ?? each))];
  return {
    ipBlock: { cidr: canonicalCidr(cidr) ?? cidr, ...(exceptions.length > 0 && { except: exceptions }) },
  };
}

/** One peer for each address that can be read, /32 or /128, each once. */
export function addressPeers(addresses: readonly string[]): NetworkPolicyPeer[] {
  const cidrs = addresses.flatMap((address) => singleAddressCidr(address) ?? []);
  return [...new Set(cidrs)].sort().map((cidr) => ({ ipBlock: { cidr } }));
}
