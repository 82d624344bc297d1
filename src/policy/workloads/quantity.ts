/** Compares quantities such as `500m` and `1Gi` exactly. Pure. The API server has validated them. */

const FORM = /^([+-]?)(\d*)(?:\.(\d*))?(?:([KMGTPE]i)|([numkMGTPE]?)|[eE]([+-]?\d+))$/;
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

/** True if `a` is more than `b`. @throws RangeError for a text that is no quantity */
export function isMore(a: string, b: string): boolean {
  const [left, right] = [parse(a), parse(b)];
  const digits = Math.max(left.digits, right.digits);
  return scaled(left, digits) > scaled(right, digits);
}

/** A number: `value` divided by ten to the power of `digits`. */
interface Decimal {
  readonly value: bigint;
  readonly digits: number;
}

function parse(text: string): Decimal {
  const match = FORM.exec(text);
  if (match === null || !/\d/.test(`${match[2]}${match[3]}`))
    throw new RangeError(`"${text}" is no quantity`);
  const [, sign, whole = '', fraction = '', binary = '', decimal = '', exponent] = match;
  const digits = fraction.length - (exponent === undefined ? (DECIMAL[decimal] ?? 0) : Number(exponent));
  const factor = 1024n ** BigInt(Math.max(0, BINARY.indexOf(binary)));
  const value = BigInt(`${whole}${fraction}` || '0') * factor;
  return { value: sign === '-' ? -value : value, digits };
}

function scaled({ value, digits }: Decimal, to: number): bigint {
  return value * 10n ** BigInt(to - digits);
}
