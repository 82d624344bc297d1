/** The part of DER (ITU-T X.690) that certificates need. Pure. */

/** An element: a tag, a length and a value. */
export function der(tag: number, ...values: readonly Buffer[]): Buffer {
  const value = Buffer.concat(values);
  const length: number[] = [];
  for (let rest = value.length; rest > 0; rest >>= 8) length.unshift(rest & 0xff);
  const header = value.length < 0x80 ? [tag, value.length] : [tag, 0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from(header), value]);
}

export const TRUE = der(0x01, Buffer.of(0xff));

export function sequence(...values: readonly Buffer[]): Buffer {
  return der(0x30, ...values);
}

/** A positive integer; a leading zero keeps the sign bit clear. */
export function integer(value: Buffer): Buffer {
  const first = value.findIndex((byte) => byte !== 0);
  const trimmed = first < 0 ? Buffer.of(0) : value.subarray(first);
  return der(0x02, (trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), trimmed]) : trimmed);
}

export function bitString(value: Buffer): Buffer {
  return der(0x03, Buffer.of(0), value);
}

/** A bit string of one byte without its last `unused` bits. */
export function bits(value: number, unused: number): Buffer {
  return der(0x03, Buffer.of(unused, value));
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const base128 = (number: number): number[] => {
    const bytes = [number & 0x7f];
    for (let high = number >> 7; high > 0; high >>= 7) bytes.unshift((high & 0x7f) | 0x80);
    return bytes;
  };
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** UTCTime; from 2050 on GeneralizedTime (RFC 5280, 4.1.2.5). */
export function time(milliseconds: number): Buffer {
  const digits = `${new Date(milliseconds).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return digits < '2050' ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}
