/**
 * The judgement of the API server on a custom resource, without an API server: its structural schema (types, bounds,
 * unknown fields), its defaults, and its CEL rules, as apiextensions.k8s.io/v1 applies them. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../options/shape.ts';
import { didYouMean } from '../../util/suggest.ts';
import { type CelRule, judge } from './cel.ts';

/** A node of a structural schema: the parts that the project's CRDs use. */
export interface Schema {
  readonly type?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

/** What is wrong, and where: `spec.ingress[0].from`. */
export interface Problem {
  readonly at: string;
  readonly message: string;
  /** The rules can't be asked about the value. */
  readonly blocking?: true;
}

export interface Admission {
  /** With defaults filled in. Only to be used where there are no problems. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
}

export function admit(schema: Schema, raw: unknown): Admission {
  const problems: Problem[] = [];
  const value = completed(schema, raw);
  check(schema, value, '', problems);
  // Rules may assume that what they look at has its type, is there, and is no longer than it may be.
  if (problems.every(({ blocking }) => blocking !== true)) evaluate(schema, value, '', problems);
  return { value, problems };
}

/** Without nulls, which stand for nothing where a field may not be null, and with defaults. */
function completed(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => (schema.items ? completed(schema.items, each) : each));
  if (!isRecord(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) {
    if (each === null || each === undefined) continue;
    const inner = schema.properties?.[key] ?? schema.additionalProperties;
    result[key] = inner ? completed(inner, each) : each;
  }
  for (const [key, inner] of Object.entries(schema.properties ?? {})) {
    if (inner.default !== undefined && !Object.hasOwn(result, key))
      result[key] = completed(inner, inner.default);
  }
  return result;
}

function check(schema: Schema, value: unknown, at: string, problems: Problem[]): void {
  const say = (message: string) => problems.push({ at, message });
  const type = schema['x-kubernetes-int-or-string'] === true ? 'integer or string' : schema.type;
  if (!isOfType(type, value)) {
    problems.push({
      at,
      message: `must be of type ${type ?? 'any'}, not ${nameOfType(value)}`,
      blocking: true,
    });
    return;
  }
  if (typeof value === 'string') checkText(schema, value, say);
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) {
      say(`${value} should be greater than or equal to ${schema.minimum}`);
    }
    if (schema.maximum !== undefined && value > schema.maximum) {
      say(`${value} should be less than or equal to ${schema.maximum}`);
    }
  }
  if (Array.isArray(value)) checkList(schema, value, at, problems);
  else if (isRecord(value)) checkObject(schema, value, at, problems);
}

type Say = (message: string) => void;

function checkText(
  { enum: choices, minLength = 0, maxLength, pattern }: Schema,
  value: string,
  say: Say,
): void {
  if (choices !== undefined && !choices.includes(value)) {
    const known = choices.map((each) => `"${each}"`).join(', ');
    say(`unsupported value "${value}": supported values: ${known}${didYouMean(value, choices)}`);
  }
  const length = Array.from(value).length;
  if (length < minLength) say(`should be at least ${minLength} characters long`);
  if (maxLength !== undefined && length > maxLength) say(`may not be more than ${maxLength} characters long`);
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value))
    say(`"${value}" should match '${pattern}'`);
}

function checkList(schema: Schema, value: readonly unknown[], at: string, problems: Problem[]): void {
  const { items, maxItems } = schema;
  if (maxItems !== undefined && value.length > maxItems) {
    problems.push({
      at,
      message: `must have at most ${maxItems} items, and has ${value.length}`,
      blocking: true,
    });
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const type = schema['x-kubernetes-list-type'];
  const identity = (each: unknown): unknown =>
    type === 'map' && isRecord(each) ? Object.fromEntries(keys.map((key) => [key, each[key]])) : each;
  for (const [index, each] of value.entries()) {
    const where = `${at}[${index}]`;
    if (items !== undefined) check(items, each, where, problems);
    if (type !== 'map' && type !== 'set') continue;
    const own = identity(each);
    if (value.slice(0, index).some((earlier) => isDeepStrictEqual(identity(earlier), own))) {
      problems.push({ at: where, message: `Duplicate value: ${JSON.stringify(own)}` });
    }
  }
}

function checkObject(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  at: string,
  problems: Problem[],
): void {
  const { properties, additionalProperties, required = [], maxProperties } = schema;
  for (const name of required) {
    if (!Object.hasOwn(value, name))
      problems.push({ at: join(at, name), message: 'Required value', blocking: true });
  }
  if (maxProperties !== undefined && Object.keys(value).length > maxProperties) {
    problems.push({ at, message: `must have at most ${maxProperties} items`, blocking: true });
  }
  for (const [key, each] of Object.entries(value)) {
    const inner =
      properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (inner !== undefined) check(inner, each, join(at, key), problems);
    else if (properties !== undefined) {
      problems.push({
        at: join(at, key),
        message: `unknown field${didYouMean(key, Object.keys(properties))}`,
      });
    }
  }
}

function evaluate(schema: Schema, value: unknown, at: string, problems: Problem[]): void {
  for (const rule of schema['x-kubernetes-validations'] ?? []) {
    const message = judge(rule, value);
    if (message !== undefined) problems.push({ at: at + (rule.fieldPath ?? ''), message });
  }
  if (Array.isArray(value)) {
    if (schema.items === undefined) return;
    for (const [index, each] of value.entries()) evaluate(schema.items, each, `${at}[${index}]`, problems);
  } else if (isRecord(value)) {
    for (const [key, each] of Object.entries(value)) {
      const inner = schema.properties?.[key] ?? schema.additionalProperties;
      if (inner !== undefined) evaluate(inner, each, join(at, key), problems);
    }
  }
}

function isOfType(type: string | undefined, value: unknown): boolean {
  switch (type) {
    case 'object':
      return isRecord(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'integer or string':
      return Number.isInteger(value) || typeof value === 'string';
    case undefined:
      return true;
    default:
      return typeof value === type;
  }
}

function nameOfType(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function join(at: string, key: string): string {
  return at === '' ? key : `${at}.${key}`;
}
