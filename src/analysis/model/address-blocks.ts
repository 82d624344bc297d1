/** Addresses outside of the pods, as rules of policies name them: an `ipBlock`, or any address. */
import {
  type Address,
  type Cidr,
  containsCidr,
  formatCidr,
  overlapsCidr,
  parseAddress,
} from '../../policy/semantics/cidr.ts';
import type { Pod } from '../cluster.ts';
import type { CompiledPeer } from './rules.ts';

export interface AddressBlock {
  /** Text for people. Blocks with equal text have equal ranges. */
  readonly text: string;
  readonly ranges: 'all' | { readonly cidr: Cidr; readonly except: readonly Cidr[] };
}

/** The name of the group that stands for any address outside of the pods. */
export const ANY_ADDRESS_NAME = 'any address';
export const ANY_ADDRESS: AddressBlock = { text: ANY_ADDRESS_NAME, ranges: 'all' };

/** The address block that a peer names; undefined for a peer that selects pods. */
export function blockOf(peer: CompiledPeer): AddressBlock | undefined {
  if (peer.kind !== 'ipBlock') return undefined;
  const { cidr, except } = peer;
  const holes = except.map(formatCidr);
  const text =
    holes.length === 0 ? formatCidr(cidr) : `${formatCidr(cidr)} except ${holes.toSorted().join(', ')}`;
  return { text, ranges: { cidr, except } };
}

/** True if the peer includes every address of the block. */
export function covers(peer: CompiledPeer, { ranges }: AddressBlock): boolean {
  if (peer.kind !== 'ipBlock' || ranges === 'all') return false;
  if (!containsCidr(peer.cidr, ranges.cidr)) return false;
  return peer.except.every(
    (hole) =>
      ranges.except.some((own) => containsCidr(own, hole)) ||
      !(containsCidr(hole, ranges.cidr) || containsCidr(ranges.cidr, hole)),
  );
}

/** True if peers name all addresses of both families, and the block is any address. */
export function coversBoth(peers: readonly CompiledPeer[], { ranges }: AddressBlock): boolean {
  const whole = peers.flatMap((peer) =>
    peer.kind === 'ipBlock' && isWhole(peer.cidr) && peer.except.length === 0 ? [peer.cidr.family] : [],
  );
  return ranges === 'all' && new Set(whole).size === 2;
}

/** True if a peer names an address of the block; of any address, if it names nearly all of a family. */
export function overlaps(peer: CompiledPeer, { ranges }: AddressBlock): boolean {
  if (peer.kind !== 'ipBlock') return false;
  if (ranges === 'all') return isWhole(peer.cidr);
  return (
    overlapsCidr(peer.cidr, ranges.cidr) &&
    !peer.except.some((hole) => containsCidr(hole, ranges.cidr)) &&
    !ranges.except.some((hole) => containsCidr(hole, peer.cidr))
  );
}

function isWhole({ prefix }: Cidr): boolean {
  return prefix === 0;
}

/** A pod's addresses; empty while the pod is pending. */
export function addressesOf(pod: Pod): Address[] {
  return pod.ips.map(parseAddress).filter((address) => address !== undefined);
}
