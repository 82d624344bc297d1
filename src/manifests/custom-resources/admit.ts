/**
 * Admission of custom resources as the API server has it (apiextensions.k8s.io/v1): the structural schema with types,
 * bounds and unknown fields, defaults, and CEL rules. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { isRecord } from '../../util/is-record.ts';
import { didYouMean } from '../../util/text/suggest.ts';
import type { Violation } from '../violations.ts';
import type { Path } from '../yaml.ts';
import { type CelRule, judge } from './cel.ts';

/** A node of a structural schema, with the keywords that this project's CRDs use. */
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
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

export interface Admission {
  /** With defaults; meaningful only without violations. */
  readonly value: unknown;
  readonly violations: readonly Violation[];
}

/** A violation, and whether CEL rules can still be evaluated: they may assume types, required fields and bounds. */
type Finding = Violation & { readonly isBlocking?: true };

export function admit(schema: Schema, raw: unknown): Admission {
  const findings: Finding[] = [];
  const value = completed(schema, raw);
  check(schema, value, [], findings);
  if (findings.every(({ isBlocking }) => isBlocking !== true)) evaluate(schema, value, [], findings);
  return { value, violations: findings.map(({ path, message }) => ({ path, message })) };
}

/** With defaults, and without null fields: null means absent unless the schema says nullable, which ours never does. */
function completed(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => (schema.items ? completed(schema.items, each) : each));
  if (!isRecord(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) {
    const inner = propertyOf(schema, key) ?? schema.additionalProperties;
    if (each === undefined || (each === null && inner !== undefined)) continue;
    define(result, key, inner ? completed(inner, each) : each);
  }
  for (const [key, inner] of Object.entries(schema.properties ?? {})) {
    if (inner.default !== undefined && !Object.hasOwn(result, key))
      result[key] = completed(inner, inner.default);
  }
  return result;
}

function check(schema: Schema, value: unknown, path: Path, findings: Finding[]): void {
  const say = (message: string) => findings.push({ path, message });
  const type = schema['x-kubernetes-int-or-string'] === true ? 'integer or string' : schema.type;
  if (!isOfType(type, value)) {
    findings.push({
      path,
      message: `must be of type ${type ?? 'any'}, not ${nameOfType(value)}`,
      isBlocking: true,
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
  if (Array.isArray(value)) checkList(schema, value, path, findings);
  else if (isRecord(value)) checkObject(schema, value, path, findings);
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

function checkList(schema: Schema, value: readonly unknown[], path: Path, findings: Finding[]): void {
  const { items, minItems = 0, maxItems } = schema;
  // The words of the API server, singular or not.
  if (value.length < minItems) findings.push({ path, message: `should have at least ${minItems} items` });
  if (maxItems !== undefined && value.length > maxItems) {
    findings.push({
      path,
      message: `must have at most ${maxItems} items, and has ${value.length}`,
      isBlocking: true,
    });
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const type = schema['x-kubernetes-list-type'];
  const identity = (each: unknown): unknown =>
    type === 'map' && isRecord(each) ? Object.fromEntries(keys.map((key) => [key, each[key]])) : each;
  for (const [index, each] of value.entries()) {
    const where = [...path, index];
    if (items !== undefined) check(items, each, where, findings);
    if (type !== 'map' && type !== 'set') continue;
    const own = identity(each);
    if (value.slice(0, index).some((earlier) => isDeepStrictEqual(identity(earlier), own))) {
      findings.push({ path: where, message: `Duplicate value: ${JSON.stringify(own)}` });
    }
  }
}

function checkObject(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  path: Path,
  findings: Finding[],
): void {
  const { properties, additionalProperties, required = [], maxProperties } = schema;
  for (const name of required) {
    if (!Object.hasOwn(value, name))
      findings.push({ path: [...path, name], message: 'Required value', isBlocking: true });
  }
  if (maxProperties !== undefined && Object.keys(value).length > maxProperties) {
    findings.push({ path, message: `must have at most ${maxProperties} items`, isBlocking: true });
  }
  for (const [key, each] of Object.entries(value)) {
    const inner = propertyOf(schema, key) ?? additionalProperties;
    if (inner !== undefined) check(inner, each, [...path, key], findings);
    else if (properties !== undefined) {
      findings.push({
        path: [...path, key],
        message: `unknown field${didYouMean(key, Object.keys(properties))}`,
      });
    }
  }
}

function evaluate(schema: Schema, value: unknown, path: Path, findings: Finding[]): void {
  for (const rule of schema['x-kubernetes-validations'] ?? []) {
    const message = judge(rule, value);
    if (message !== undefined) findings.push({ path: [...path, ...fieldPath(rule)], message });
  }
  if (Array.isArray(value)) {
    if (schema.items === undefined) return;
    for (const [index, each] of value.entries()) evaluate(schema.items, each, [...path, index], findings);
  } else if (isRecord(value)) {
    for (const [key, each] of Object.entries(value)) {
      const inner = propertyOf(schema, key) ?? schema.additionalProperties;
      if (inner !== undefined) evaluate(inner, each, [...path, key], findings);
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

function propertyOf({ properties = {} }: Schema, key: string): Schema | undefined {
  return Object.hasOwn(properties, key) ? properties[key] : undefined;
}

/** Sets a key of its own, also if its name is __proto__. */
function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** The fields of a rule's fieldPath, such as `.ingress`. */
function fieldPath({ fieldPath: text = '' }: CelRule): Path {
  return text.split('.').filter(Boolean);
}
