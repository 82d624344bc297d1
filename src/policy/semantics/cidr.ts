/**
 * IP addresses and CIDRs, read exactly as the API server reads them (k8s.io/utils/net ParseCIDRSloppy): leading
 * zeros are decimal, never octal; bits beyond the prefix are dropped; an IPv4-mapped IPv6 address is IPv4.
 * General libraries differ on each of these, and a policy must mean here what it means to the API server. Pure.
 */

export type IPFamily = 4 | 6;

export interface Address {
  readonly family: IPFamily;
  /** The address as an unsigned number of 32 or 128 bits. */
  readonly value: bigint;
}

/** A range of addresses, both ends included. */
export interface Cidr {
  readonly family: IPFamily;
  /** Length of the prefix in bits. */
  readonly prefix: number;
  readonly first: bigint;
  readonly last: bigint;
}

const BITS = { 4: 32, 6: 128 } as const;
/** By family and length of the prefix, the bits beyond the prefix. */
const BEYOND = {
  4: Array.from({ length: 33 }, (_, prefix) => (1n << BigInt(32 - prefix)) - 1n),
  6: Array.from({ length: 129 }, (_, prefix) => (1n << BigInt(128 - prefix)) - 1n),
} as const;
/** ::ffff:0:0, the prefix of IPv4-mapped IPv6 addresses, without its last 32 bits. */
const MAPPED = 0xffffn;
const ZERO = '0'.charCodeAt(0);

/** The address that `text` spells; undefined if it spells none. Zone identifiers are refused. */
export function parseAddress(text: string): Address | undefined {
  const value = text.includes(':') ? parseIPv6(text) : parseIPv4(text);
  if (value === undefined) return undefined;
  if (!text.includes(':')) return { family: 4, value };
  return value >> 32n === MAPPED ? { family: 4, value: value & 0xffffffffn } : { family: 6, value };
}

/** The range that `text` (`address/prefix`) spells, with the bits beyond its prefix dropped; undefined if it spells none. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const host = text.slice(0, slash);
  const digits = text.slice(slash + 1);
  const spelled = host.includes(':') ? 6 : 4;
  const value = spelled === 6 ? parseIPv6(host) : parseIPv4(host);
  if (value === undefined || !/^\d+$/.test(digits)) return undefined;
  const prefix = Number(digits);
  if (prefix > BITS[spelled]) return undefined;
  const cidr = range(spelled, prefix, value);
  if (spelled === 4) return cidr;
  // Only where the prefix is 96 or longer does the range's first address keep all bits of the mapped prefix.
  return cidr.first >> 32n === MAPPED ? range(4, prefix - 96, cidr.first & 0xffffffffn) : cidr;
}

/** The canonical spelling of a range: RFC 5952 for IPv6, no bits beyond the prefix. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ family: cidr.family, value: cidr.first })}/${cidr.prefix}`;
}

/** The canonical spelling of an address: dotted decimal, or RFC 5952. */
export function formatAddress({ family, value }: Address): string {
  return family === 4 ? dotted(value) : formatIPv6(value);
}

/** The canonical spelling of the CIDR that `text` spells; undefined if it spells none. */
export function canonicalCidr(text: string): string | undefined {
  const cidr = parseCidr(text);
  return cidr && formatCidr(cidr);
}

/** The family of an address or CIDR; undefined for any other text. */
export function ipFamily(text: string): IPFamily | undefined {
  return (text.includes('/') ? parseCidr(text) : parseAddress(text))?.family;
}

/** The CIDR that holds only this address (/32 or /128); undefined if `ip` is none. */
export function singleAddressCidr(ip: string): string | undefined {
  const address = parseAddress(ip);
  return address && `${formatAddress(address)}/${BITS[address.family]}`;
}

export function containsAddress(cidr: Cidr, address: Address): boolean {
  return cidr.family === address.family && cidr.first <= address.value && address.value <= cidr.last;
}

/** True if `outer` holds every address of `inner`; a range contains itself. */
export function containsCidr(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last;
}

/**
 * The shortest list of CIDRs that holds exactly the addresses of `cidrs`: IPv4 before IPv6, then ascending. Equal
 * sets of addresses give equal lists, however they were spelled.
 */
export function mergeCidrs(cidrs: readonly Cidr[]): Cidr[] {
  const sorted = [...cidrs].sort(compareCidrs);
  const merged: Cidr[] = [];
  for (const cidr of sorted) {
    const top = merged.at(-1);
    if (top !== undefined && containsCidr(top, cidr)) continue;
    let next = cidr;
    for (let below = merged.at(-1); below !== undefined; below = merged.at(-1)) {
      const parent = parentOf(below, next);
      if (parent === undefined) break;
      merged.pop();
      next = parent;
    }
    merged.push(next);
  }
  return merged;
}

/** The shortest list of CIDRs that holds the addresses of `cidr` that none of `excepted` holds. */
export function subtractCidrs(cidr: Cidr, excepted: readonly Cidr[]): Cidr[] {
  const overlapping = excepted.filter((each) => overlapsCidr(cidr, each));
  if (overlapping.length === 0) return [cidr];
  if (overlapping.some((each) => containsCidr(each, cidr))) return [];
  const prefix = cidr.prefix + 1;
  const low = range(cidr.family, prefix, cidr.first);
  const high = range(cidr.family, prefix, low.last + 1n);
  return [...subtractCidrs(low, overlapping), ...subtractCidrs(high, overlapping)];
}

/** True if some address is in both. */
export function overlapsCidr(a: Cidr, b: Cidr): boolean {
  return containsCidr(a, b) || containsCidr(b, a);
}

/** Orders by family, first address, and the wider range first. */
export function compareCidrs(a: Cidr, b: Cidr): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return a.prefix - b.prefix;
}

/** The range that `low` and `high`, which are disjoint and in this order, make up exactly, if they are its halves. */
function parentOf(low: Cidr, high: Cidr): Cidr | undefined {
  if (low.family !== high.family || low.prefix !== high.prefix || low.prefix === 0) return undefined;
  const parent = range(low.family, low.prefix - 1, low.first);
  return parent.last === high.last ? parent : undefined;
}

function range(family: IPFamily, prefix: number, value: bigint): Cidr {
  const beyond = BEYOND[family][prefix] ?? 0n;
  const last = value | beyond;
  return { family, prefix, first: last - beyond, last };
}

function parseIPv4(text: string): bigint | undefined {
  let value = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - ZERO;
    if (digit >= 0 && digit <= 9) {
      octet = octet * 10 + digit;
      digits += 1;
      if (octet > 255) return undefined;
    } else {
      if (text[index] !== '.' || digits === 0) return undefined;
      value = value * 256 + octet;
      [octet, digits] = [0, 0];
      dots += 1;
    }
  }
  return dots === 3 && digits > 0 ? BigInt(value * 256 + octet) : undefined;
}

function parseIPv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  // `::` stands for at least one group.
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array<number>(missing).fill(0), ...tail]) {
    value = (value << 16n) | BigInt(group);
  }
  return value;
}

/** The 16-bit groups of one side of `::`; the last may be dotted decimal where the address ends. */
function groups(text: string, ends: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const result: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (part.includes('.')) {
      const value = ends && index === parts.length - 1 ? parseIPv4(part) : undefined;
      if (value === undefined) return undefined;
      result.push(Number(value >> 16n), Number(value & 0xffffn));
    } else {
      if (!/^0*[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      result.push(Number.parseInt(part, 16));
    }
  }
  return result;
}

function dotted(value: bigint): string {
  const bits = Number(value);
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

/** RFC 5952, section 4: lower case, no leading zeros, `::` for the first longest run of two or more zero groups. */
function formatIPv6(value: bigint): string {
  const parts = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && parts[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
    if (end > i) i = end;
  }
  const hex = (list: number[]) => list.map((part) => part.toString(16)).join(':');
  return start < 0 ? hex(parts) : `${hex(parts.slice(0, start))}::${hex(parts.slice(start + length))}`;
}
