/**
 * What a value read from a file, a variable or a flag may be. A shape returns the value, typed, or says what is
 * wrong with it and returns undefined; all that is wrong is found in one pass.
 */
import type { LabelSelector, LabelSelectorRequirement, StringMap } from '../api/meta.ts';
import { canonicalCidr, formatAddress, parseAddress } from '../policy/cidr.ts';
import { BIND_ADDRESS_FORMS, parseBindAddress } from '../telemetry/bind-address.ts';
import { parseDuration } from './duration.ts';
import { didYouMean } from './suggest.ts';

/** `at` is where the value stands, for messages; each problem is one line. */
export type Shape<T> = (value: unknown, at: string, problems: string[]) => T | undefined;
export type Shaped<S> = S extends Shape<infer T> ? T : never;

/** A text, checked by `parse`, which returns undefined for one that is not `expected`. */
function text<T>(expected: string, parse: (value: string) => T | undefined): Shape<T> {
  return (value, at, problems) => {
    const parsed = typeof value === 'string' ? parse(value) : undefined;
    if (parsed === undefined) problems.push(`${at}: ${show(value)} is not ${expected}`);
    return parsed;
  };
}

export const anyText: Shape<string> = text('a text', (value) => (value === '' ? undefined : value));
export const bindAddress: Shape<string> = text(
  `an address to listen on, as ${BIND_ADDRESS_FORMS}`,
  (value) => (parseBindAddress(value) === undefined ? undefined : value),
);
export const namespaceName: Shape<string> = text(
  'the name of a namespace (lower-case letters, digits and "-", at most 63)',
  (value) => (isDnsLabel(value) ? value : undefined),
);
export const serviceName: Shape<string> = text(
  'the name of a Service (lower-case letters, digits and "-", at most 63)',
  (value) => (isDnsLabel(value) ? value : undefined),
);
export const cidr: Shape<string> = text('a CIDR such as "10.0.0.0/8" or "fd00::/8"', canonicalCidr);
export const ipAddress: Shape<string> = text('an IP address', (value) => {
  const address = parseAddress(value);
  return address && formatAddress(address);
});

export function oneOf<const T extends string>(...allowed: T[]): Shape<T> {
  return text(`one of ${allowed.join(', ')}`, (value) => allowed.find((each) => each === value));
}

export const boolean: Shape<boolean> = (value, at, problems) => {
  if (typeof value === 'boolean') return value;
  problems.push(`${at}: ${show(value)} is not true or false`);
  return undefined;
};

export function integer(min: number, max: number): Shape<number> {
  return (value, at, problems) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    problems.push(`${at}: ${show(value)} is not a whole number from ${min} to ${max}`);
    return undefined;
  };
}

/** A Go-like duration; the value is in milliseconds, and so are the bounds. */
export function duration(min: number, max: number, range: string): Shape<number> {
  return text(`a duration ${range}, such as "15s" or "1m30s"`, (value) => {
    const ms = parseDuration(value);
    return ms !== undefined && ms >= min && ms <= max ? ms : undefined;
  });
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, at, problems) => {
    if (!Array.isArray(value)) {
      problems.push(`${at}: ${show(value)} is not a list`);
      return undefined;
    }
    return value.flatMap((each, index) => {
      const shaped = item(each, `${at}[${index}]`, problems);
      return shaped === undefined ? [] : [shaped];
    });
  };
}

/** An object of which every key is optional and null counts as absent; a key that is not known is a problem. */
export function object<S extends Readonly<Record<string, Shape<unknown>>>>(
  keys: S,
): Shape<{ readonly [K in keyof S]?: Shaped<S[K]> }> {
  return (value, at, problems) => {
    if (!isRecord(value)) {
      problems.push(`${at}: ${show(value)} is not an object`);
      return undefined;
    }
    const result: Record<string, unknown> = {};
    for (const [key, each] of Object.entries(value)) {
      const shape = Object.hasOwn(keys, key) ? keys[key] : undefined;
      if (shape === undefined) {
        problems.push(`${join(at, key)}: unknown key${didYouMean(key, Object.keys(keys))}`);
      } else if (each !== null && each !== undefined) {
        result[key] = shape(each, join(at, key), problems);
      }
    }
    return result as { readonly [K in keyof S]?: Shaped<S[K]> };
  };
}

/** A LabelSelector that the API server would accept. */
export const labelSelector: Shape<LabelSelector> = (value, at, problems) => {
  const found = problems.length;
  const selector = object({ matchLabels: labels, matchExpressions: list(requirement) })(value, at, problems);
  return problems.length > found ? undefined : selector;
};

const labels: Shape<StringMap> = (value, at, problems) => {
  if (!isRecord(value)) {
    problems.push(`${at}: ${show(value)} is not an object`);
    return undefined;
  }
  for (const [key, each] of Object.entries(value)) {
    labelKey(key, at, problems);
    labelValue(each, join(at, key), problems);
  }
  return value as StringMap;
};

const operator = oneOf('In', 'NotIn', 'Exists', 'DoesNotExist');

const requirement: Shape<LabelSelectorRequirement> = (value, at, problems) => {
  const found = problems.length;
  const read = object({ key: labelKey, operator, values: list(labelValue) })(value, at, problems);
  if (read === undefined || problems.length > found) return undefined;
  const { key, operator: op, values } = read;
  if (key === undefined || op === undefined) {
    problems.push(`${at}: key and operator are required`);
    return undefined;
  }
  const wantsValues = op === 'In' || op === 'NotIn';
  if (wantsValues !== (values !== undefined && values.length > 0)) {
    problems.push(`${at}: ${op} ${wantsValues ? 'needs at least one value' : 'takes no values'}`);
    return undefined;
  }
  return { key, operator: op, ...(wantsValues && { values }) };
};

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const labelKey = text('the key of a label', (value) => {
  const [name = '', prefix, ...more] = value.split('/').toReversed();
  const valid = NAME.test(name) && more.length === 0 && (prefix === undefined || PREFIX.test(prefix));
  return valid && (prefix?.length ?? 0) <= 253 ? value : undefined;
});
const labelValue = text('the value of a label (a text; put a number, true or false in quotes)', (value) =>
  value === '' || NAME.test(value) ? value : undefined,
);

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDnsLabel(value: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(value);
}

/** `at` ends in ": " where it only names the file. */
function join(at: string, key: string): string {
  return at.endsWith(': ') ? `${at}${key}` : `${at}.${key}`;
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}
