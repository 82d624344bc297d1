/**
 * Shapes: validators for values from a file, a variable or a flag. A shape returns the typed value, or undefined after it
 * has added a line for each error. It carries a JSON schema that accepts every value that the shape accepts, and as few
 * others as a schema can express. Pure.
 */
import type { LabelSelector, LabelSelectorRequirement, StringMap } from '../api/meta.ts';
import { canonicalCidr, formatAddress, parseAddress } from '../policy/semantics/cidr.ts';
import { BIND_ADDRESS_FORMS, BIND_ADDRESS_PATTERN, parseBindAddress } from './bind-address.ts';
import { DURATION_PATTERN, parseDuration } from '../util/duration.ts';
import { isRecord } from '../util/is-record.ts';
import { didYouMean } from '../util/text/suggest.ts';

/** A JSON schema (draft 7). */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** @param at the path of the value, for messages */
type Judge<T> = (value: unknown, at: string, problems: string[]) => T | undefined;
export type Shape<T> = Judge<T> & { readonly schema: JsonSchema };

export function shaped<T>(schema: JsonSchema, judge: Judge<T>): Shape<T> {
  return Object.assign(judge, { schema });
}

/** A shape with a description in its schema. */
export function described<T>(description: string, shape: Shape<T>): Shape<T> {
  return shaped({ description, ...shape.schema }, (value, at, problems) => shape(value, at, problems));
}

export type Shaped<S> = S extends Shape<infer T> ? T : never;

/**
 * A text that `parse` accepts.
 *
 * @param expected completes the message "VALUE is not ..."
 * @param schema keywords beside `type: string`
 * @param parse returns undefined for a text that is not as expected
 */
function text<T>(expected: string, schema: JsonSchema, parse: (value: string) => T | undefined): Shape<T> {
  return shaped({ type: 'string', ...schema }, (value, at, problems) => {
    const parsed = typeof value === 'string' ? parse(value) : undefined;
    if (parsed === undefined) problems.push(`${at}: ${show(value)} is not ${expected}`);
    return parsed;
  });
}

/** A value that somebody else judges later. */
export const anyValue: Shape<unknown> = shaped({}, (value) => value);

export const anyText: Shape<string> = text('a text', { minLength: 1 }, (value) =>
  value === '' ? undefined : value,
);
export const bindAddress: Shape<string> = text(
  `an address to listen on, as ${BIND_ADDRESS_FORMS}`,
  { pattern: BIND_ADDRESS_PATTERN },
  (value) => (parseBindAddress(value) === undefined ? undefined : value),
);
const SERVER_URL = '^https?://[^/?#@]+(/[^?#]*)?$';
export const serverURL: Shape<string> = text(
  'the URL of a server, such as "https://prometheus.monitoring:9090"',
  { pattern: SERVER_URL },
  (value) => (new RegExp(SERVER_URL).test(value) && URL.canParse(value) ? value : undefined),
);
const DNS_LABEL = '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$';
const dnsLabel = new RegExp(DNS_LABEL);
export const namespaceName: Shape<string> = text(
  'the name of a namespace (lower-case letters, digits and "-", at most 63)',
  { pattern: DNS_LABEL },
  (value) => (dnsLabel.test(value) ? value : undefined),
);
export const serviceName: Shape<string> = text(
  'the name of a Service (lower-case letters, digits and "-", at most 63)',
  { pattern: DNS_LABEL },
  (value) => (dnsLabel.test(value) ? value : undefined),
);
export const cidr: Shape<string> = text(
  'a CIDR such as "10.0.0.0/8" or "fd00::/8"',
  { pattern: '^[0-9A-Fa-f:.]+/[0-9]{1,3}$' },
  canonicalCidr,
);
export const ipAddress: Shape<string> = text('an IP address', { pattern: '^[0-9A-Fa-f:.]+$' }, (value) => {
  const address = parseAddress(value);
  return address && formatAddress(address);
});

export function oneOf<const T extends string>(...allowed: T[]): Shape<T> {
  return text(`one of ${allowed.join(', ')}`, { enum: allowed }, (value) =>
    allowed.find((each) => each === value),
  );
}

export const boolean: Shape<boolean> = shaped({ type: 'boolean' }, (value, at, problems) => {
  if (typeof value === 'boolean') return value;
  problems.push(`${at}: ${show(value)} is not true or false`);
  return undefined;
});

export function integer(min: number, max: number): Shape<number> {
  return shaped({ type: 'integer', minimum: min, maximum: max }, (value, at, problems) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    problems.push(`${at}: ${show(value)} is not a whole number from ${min} to ${max}`);
    return undefined;
  });
}

/** A duration in Go's notation. The value and the bounds are in milliseconds. */
export function duration(min: number, max: number, range: string): Shape<number> {
  const expected = `a duration ${range}, such as "15s" or "1m30s"`;
  return text(expected, { pattern: DURATION_PATTERN }, (value) => {
    const ms = parseDuration(value);
    return ms !== undefined && ms >= min && ms <= max ? ms : undefined;
  });
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return shaped({ type: 'array', items: item.schema }, (value, at, problems) => {
    if (!Array.isArray(value)) {
      problems.push(`${at}: ${show(value)} is not a list`);
      return undefined;
    }
    return value.flatMap((each, index) => {
      const read = item(each, `${at}[${index}]`, problems);
      return read === undefined ? [] : [read];
    });
  });
}

/**
 * An object whose keys are optional; null counts as absent, an unknown key is an error.
 *
 * @param required for the schema only: the caller reports missing keys
 */
export function object<S extends Readonly<Record<string, Shape<unknown>>>>(
  keys: S,
  required: readonly (keyof S & string)[] = [],
): Shape<{ readonly [K in keyof S]?: Shaped<S[K]> }> {
  const properties = Object.entries(keys).map(([key, { schema }]) => [
    key,
    required.includes(key) ? schema : orNull(schema),
  ]);
  const schema = {
    type: 'object',
    properties: Object.fromEntries(properties) as JsonSchema,
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
  return shaped(schema, (value, at, problems) => {
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
  });
}

/** Accepts null too: in YAML, `key:` without a value is null. */
function orNull(schema: JsonSchema): JsonSchema {
  const { type, enum: allowed, ...rest } = schema;
  if (typeof type !== 'string') return { anyOf: [schema, { type: 'null' }] };
  return { type: [type, 'null'], ...(Array.isArray(allowed) && { enum: [...allowed, null] }), ...rest };
}

const NAME = '[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?';
const PREFIX = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*';
const LABEL_KEY = `^((?=[^/]{1,253}/)${PREFIX}/)?${NAME}$`;
const LABEL_VALUE = `^(${NAME})?$`;
const isLabelKey = new RegExp(LABEL_KEY);
const isLabelValue = new RegExp(LABEL_VALUE);

const labelKey = text('the key of a label', { pattern: LABEL_KEY }, (value) =>
  isLabelKey.test(value) ? value : undefined,
);
const labelValue = text(
  'the value of a label (a text; put a number, true or false in quotes)',
  { pattern: LABEL_VALUE },
  (value) => (isLabelValue.test(value) ? value : undefined),
);

const labels: Shape<StringMap> = shaped(
  {
    type: 'object',
    propertyNames: { pattern: LABEL_KEY },
    additionalProperties: labelValue.schema,
  },
  (value, at, problems) => {
    if (!isRecord(value)) {
      problems.push(`${at}: ${show(value)} is not an object`);
      return undefined;
    }
    for (const [key, each] of Object.entries(value)) {
      labelKey(key, at, problems);
      labelValue(each, join(at, key), problems);
    }
    return value as StringMap;
  },
);

const WITH_VALUES = ['In', 'NotIn'] as const;
const WITHOUT = ['Exists', 'DoesNotExist'] as const;
const operator = oneOf(...WITH_VALUES, ...WITHOUT);
const requirementKeys = object({ key: labelKey, operator, values: list(labelValue) }, ['key', 'operator']);

const requirement: Shape<LabelSelectorRequirement> = shaped(
  {
    ...requirementKeys.schema,
    anyOf: [
      {
        properties: { operator: { enum: WITH_VALUES }, values: { type: 'array', minItems: 1 } },
        required: ['values'],
      },
      { properties: { operator: { enum: WITHOUT }, values: { maxItems: 0 } } },
    ],
  },
  (value, at, problems) => {
    const found = problems.length;
    const read = requirementKeys(value, at, problems);
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
  },
);

const selectorKeys = object({ matchLabels: labels, matchExpressions: list(requirement) });

/** A LabelSelector that the API server accepts. */
export const labelSelector: Shape<LabelSelector> = shaped(selectorKeys.schema, (value, at, problems) => {
  const found = problems.length;
  const selector = selectorKeys(value, at, problems);
  return problems.length > found ? undefined : selector;
});

/** The path of a key; a path that ends in ": " only names the file. */
function join(at: string, key: string): string {
  return at.endsWith(': ') ? `${at}${key}` : `${at}.${key}`;
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}
