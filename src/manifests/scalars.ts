/**
 * Resolves YAML scalars as kubectl and the API server do: by the rules of go.yaml.in/yaml/v2, which sigs.k8s.io/yaml is
 * built on. They are those of YAML 1.1 with exceptions, so that `on` is a boolean and `0443` an octal number. Pure.
 */

/** A resolved scalar. Integers keep their kind, because only they can be written as keys in every size. */
export type Resolved =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string };

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
    (text) => [text, true] as const,
  ),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
    (text) => [text, false] as const,
  ),
]);
const NULLS: ReadonlySet<string> = new Set(['', '~', 'null', 'Null', 'NULL']);
const SPECIAL_FLOATS: ReadonlyMap<string, number> = new Map([
  ...['.nan', '.NaN', '.NAN'].map((text) => [text, Number.NaN] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map(
    (text) => [text, Number.POSITIVE_INFINITY] as const,
  ),
  ...['-.inf', '-.Inf', '-.INF'].map((text) => [text, Number.NEGATIVE_INFINITY] as const),
]);

const FLOAT = /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/;
const FLOAT_AFTER_POINT = /^\.\d+([eE][-+]?\d+)?$/;
const INTEGER = /^([-+]?)(0[xX][\da-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)$/;
const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;

/** Resolves a plain scalar without a tag. */
export function resolvePlain(text: string): Resolved {
  if (NULLS.has(text)) return { kind: 'null' };
  const boolean = BOOLEANS.get(text);
  if (boolean !== undefined) return { kind: 'boolean', value: boolean };
  const special = SPECIAL_FLOATS.get(text);
  if (special !== undefined) return { kind: 'float', value: special };
  if (text.startsWith('.')) return finiteFloat(text, FLOAT_AFTER_POINT) ?? string(text);
  if (!/^[-+\d]/.test(text) || isTimestamp(text)) return string(text);
  // Underscores may stand anywhere behind the first character.
  const digits = text.replaceAll('_', '');
  return integer(digits) ?? finiteFloat(digits, FLOAT) ?? string(text);
}

function string(value: string): Resolved {
  return { kind: 'string', value };
}

/** An integer of 64 bits, signed or unsigned; undefined for other texts. */
function integer(text: string): Resolved | undefined {
  const [, sign = '', digits = ''] = INTEGER.exec(text) ?? [];
  if (digits === '') return undefined;
  const isOctal = /^0\d/.test(digits);
  const absolute = BigInt(isOctal ? `0o${digits.slice(1)}` : digits.toLowerCase());
  const value = sign === '-' ? -absolute : absolute;
  // strconv.ParseUint takes no sign.
  const max = sign === '' ? MAX_UINT64 : MAX_INT64;
  return value >= MIN_INT64 && value <= max ? { kind: 'integer', value } : undefined;
}

/** A number that strconv.ParseFloat takes: in range, however small. */
function finiteFloat(text: string, form: RegExp): Resolved | undefined {
  if (!form.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? { kind: 'float', value } : undefined;
}

const TIMESTAMP =
  /^(\d{4})-(\d\d?)-(\d\d?)(?:([Tt])(\d\d?):(\d\d?):(\d\d?)([.,]\d+)?(Z|[-+]\d\d:\d\d)| (\d\d?):(\d\d?):(\d\d?)([.,]\d+)?)?$/;

/** True for the timestamps that go-yaml knows. They stay texts, but are no longer tried as numbers. */
export function isTimestamp(text: string): boolean {
  const match = TIMESTAMP.exec(text);
  if (match === null) return false;
  const [, year, month, day] = match.map(Number);
  const [hour, minute, second] = [match[5] ?? match[10], match[6] ?? match[11], match[7] ?? match[12]].map(
    (part) => Number(part ?? 0),
  );
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return (
    Number(month) >= 1 &&
    Number(month) <= 12 &&
    Number(day) >= 1 &&
    Number(day) <= days &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60
  );
}

const LONG = 'tag:yaml.org,2002:';

/**
 * Resolves a scalar with a tag; its style does not matter. An unknown tag makes a string.
 *
 * @throws Error if the text is nothing that the tag stands for
 */
export function resolveTagged(tag: string, text: string): Resolved {
  const name = tag.startsWith(LONG) ? tag.slice(LONG.length) : undefined;
  switch (name) {
    case 'str':
      return string(text);
    case 'binary':
      return string(decodeBase64(text));
    case 'null':
    case 'bool':
    case 'int':
    case 'float':
    case 'timestamp': {
      const found =
        name === 'timestamp' && isTimestamp(text) ? string(text) : resolvePlainNumberFirst(name, text);
      if (found !== undefined) return found;
      throw new Error(`"${text}" is no ${name}, as its tag !!${name} says`);
    }
    default:
      return string(text);
  }
}

function resolvePlainNumberFirst(
  name: 'null' | 'bool' | 'int' | 'float' | 'timestamp',
  text: string,
): Resolved | undefined {
  const found = resolvePlain(text);
  switch (name) {
    case 'null':
      return found.kind === 'null' ? found : undefined;
    case 'bool':
      return found.kind === 'boolean' ? found : undefined;
    case 'int':
      return found.kind === 'integer' ? found : undefined;
    case 'float':
      if (found.kind === 'integer' && found.value <= MAX_INT64)
        return { kind: 'float', value: Number(found.value) };
      return found.kind === 'float' ? found : undefined;
    default:
      return undefined;
  }
}

/** @throws Error if the text is not base64 */
function decodeBase64(text: string): string {
  const compact = text.replaceAll(/[\r\n]/g, '');
  if (!/^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/.test(compact)) {
    throw new Error('!!binary is followed by text that is not base64');
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(
    Uint8Array.from(atob(compact), (character) => character.charCodeAt(0)),
  );
}

/** A float as a key: the shortest text that has the same 32-bit float, in Go's format %g. */
export function floatKey(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  if (!Number.isFinite(Math.fround(value))) return value > 0 ? '.inf' : '-.inf';
  const single = Math.fround(value);
  if (single === 0) return Object.is(single, -0) ? '-0' : '0';
  let shortest = '';
  for (let precision = 1; precision <= 9; precision++) {
    shortest = single.toExponential(precision - 1);
    if (Math.fround(Number(shortest)) === single) break;
  }
  const [mantissa = '', exponentText = '0'] = shortest.split('e');
  const exponent = Number(exponentText);
  const digits = mantissa.replaceAll(/\D/g, '').length;
  if (exponent < -4 || exponent >= 6) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  return Number(shortest).toFixed(Math.max(0, digits - 1 - exponent));
}
