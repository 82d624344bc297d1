/**
 * Decodes objects of Kubernetes' own kinds as the API server decodes JSON with strict field validation: null stands for
 * the zero value of a field, a value of another type is refused, and so is a field that the kind does not have. Pure.
 */
import { isRecord } from '../util/is-record.ts';
import { didYouMean } from '../util/text/suggest.ts';
import type { Violation } from './violations.ts';
import type { Path } from './yaml.ts';

/** A type of the API server's OpenAPI document (src/manifests/generated). */
export interface TypeSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly string[];
  /** Present for a struct that is never absent: without a value it is empty. */
  readonly default?: Readonly<Record<string, never>>;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, TypeSchema>>;
  readonly additionalProperties?: TypeSchema;
  readonly items?: TypeSchema;
}

export type Types = Readonly<Record<string, TypeSchema>>;

const INTEGERS: Readonly<Record<string, number>> = { int32: 2 ** 31, int64: 2 ** 63 };
const QUANTITY = /^[+-]?(\d+(\.\d*)?|\.\d+)(([KMGTPE]i|[numkMGTPE])|[eE][+-]?\d+)?$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[-+]\d\d:\d\d)$/;

export class KindDecoder {
  readonly #types: Types;
  readonly #violations: Violation[];

  /** @param violations to which the decoder adds */
  constructor(types: Types, violations: Violation[]) {
    this.#types = types;
    this.#violations = violations;
  }

  /** The value without nulls; parts that violate the schema are left as they are. */
  decode(schema: TypeSchema, value: unknown, path: Path): unknown {
    const resolved = this.#resolve(schema);
    const { type, properties, additionalProperties, items } = resolved;
    if (items !== undefined) return this.#list(items, value, path);
    if (properties !== undefined) return this.#struct(resolved, value, path);
    if (additionalProperties !== undefined) return this.#map(additionalProperties, value, path);
    if (type !== undefined) this.#checkScalar(resolved, value, path);
    return value;
  }

  /** Adds a violation that leaves the value readable. */
  #refuse(path: Path, message: string): void {
    this.#violations.push({ path, message });
  }

  #failToDecode(path: Path, message: string): void {
    this.#violations.push({ path, message, isUndecodable: true });
  }

  #resolve(schema: TypeSchema): TypeSchema {
    return schema.$ref === undefined ? schema : this.#resolve(this.#types[schema.$ref] ?? {});
  }

  #list(items: TypeSchema, value: unknown, path: Path): unknown {
    if (!Array.isArray(value)) {
      const advice = isRecord(value) ? 'begin each item with "- "' : `write ${JSON.stringify([value])}`;
      this.#failToDecode(path, `must be a list, not ${nameOf(value)}: ${advice}`);
      return value;
    }
    return value.map((each: unknown, index) =>
      each === null ? this.#zero(items) : this.decode(items, each, [...path, index]),
    );
  }

  #map(values: TypeSchema, value: unknown, path: Path): unknown {
    if (!isRecord(value)) {
      this.#failToDecode(path, `must be a mapping, not ${nameOf(value)}: write KEY: VALUE, or {} for none`);
      return value;
    }
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [
        key,
        each === null ? this.#zero(values) : this.decode(values, each, [...path, key]),
      ]),
    );
  }

  #struct({ properties = {}, required = [] }: TypeSchema, value: unknown, path: Path): unknown {
    if (!isRecord(value)) {
      this.#failToDecode(path, `must be a mapping, not ${nameOf(value)}: write FIELD: VALUE, or {} for none`);
      return value;
    }
    const entries: [string, unknown][] = [];
    for (const [key, each] of Object.entries(value)) {
      const schema = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (schema === undefined) {
        this.#refuse([...path, key], `unknown field${didYouMean(key, Object.keys(properties))}`);
      } else if (each !== null) entries.push([key, this.decode(schema, each, [...path, key])]);
    }
    const result: Record<string, unknown> = Object.fromEntries(entries);
    for (const key of required) {
      if (!Object.hasOwn(result, key)) this.#refuse([...path, key], 'is required');
    }
    for (const [key, schema] of Object.entries(properties)) {
      if (schema.default !== undefined && !Object.hasOwn(result, key))
        result[key] = this.#emptyStruct(schema);
    }
    if ('serviceAccountName' in properties) takeDeprecatedAccount(result);
    return result;
  }

  /** An empty struct with the structs within it. */
  #emptyStruct(schema: TypeSchema): Record<string, unknown> {
    const structs = Object.entries(this.#resolve(schema).properties ?? {}).filter(
      ([, each]) => each.default !== undefined,
    );
    return Object.fromEntries(structs.map(([key, each]) => [key, this.#emptyStruct(each)]));
  }

  /** The value that Go gives to an item or a map entry that is null. */
  #zero(schema: TypeSchema): unknown {
    const { type, format, properties, additionalProperties, items } = this.#resolve(schema);
    if (items !== undefined) return [];
    if (properties !== undefined) return this.#emptyStruct(schema);
    if (additionalProperties !== undefined) return {};
    if (format === 'int-or-string') return 0;
    switch (typeof type === 'string' ? type : type?.[0]) {
      case 'string':
        return '';
      case 'integer':
      case 'number':
        return 0;
      case 'boolean':
        return false;
      default:
        return type === undefined ? null : {};
    }
  }

  #checkScalar({ type, format, enum: choices }: TypeSchema, value: unknown, path: Path): void {
    const types: readonly unknown[] = Array.isArray(type) ? type : [type];
    const isInteger = types.includes('integer');
    const isText = types.includes('string');
    if (typeof value === 'number' && (isInteger || types.includes('number'))) {
      if (isInteger) this.#checkInteger(value, format === 'int64' ? 'int64' : 'int32', path);
    } else if (typeof value === 'string' && isText) this.#checkText(value, format, choices, path);
    else if (types.includes(typeof value) || (isRecord(value) && types.includes('object'))) return;
    else this.#failToDecode(path, wrongType(types, value));
  }

  #checkInteger(value: number, format: 'int32' | 'int64', path: Path): void {
    const limit = INTEGERS[format] ?? 0;
    if (!Number.isInteger(value)) this.#failToDecode(path, `must be a whole number, not ${value}`);
    else if (value < -limit || value >= limit)
      this.#failToDecode(path, `${value} does not fit into ${format}`);
  }

  #checkText(
    value: string,
    format: string | undefined,
    choices: readonly string[] | undefined,
    path: Path,
  ): void {
    if (choices !== undefined && value !== '' && !choices.includes(value)) {
      this.#refuse(
        path,
        `"${value}" is not supported: write ${choices.join(', ')}${didYouMean(value, choices)}`,
      );
    }
    if (format === 'date-time' && !(TIME.test(value) && !Number.isNaN(Date.parse(value.replace(',', '.'))))) {
      this.#failToDecode(path, `"${value}" is no time: write one such as 2026-01-31T12:00:00Z`);
    }
    if (format === 'quantity' && !QUANTITY.test(value)) {
      this.#failToDecode(path, `"${value}" is no quantity: write one such as 500m or 1Gi`);
    }
  }
}

function wrongType(types: readonly unknown[], value: unknown): string {
  if (types.includes('string')) {
    const allowed = types.includes('integer')
      ? 'a number or a text'
      : types.includes('number')
        ? 'a quantity'
        : 'a text';
    const isScalar = typeof value === 'number' || typeof value === 'boolean';
    return `must be ${allowed}, not ${nameOf(value)}${isScalar ? `: put it in quotes, "${String(value)}"` : ''}`;
  }
  if (types.includes('integer') || types.includes('number')) {
    const isQuoted = typeof value === 'string' && /^-?\d+$/.test(value);
    return `must be a number, not ${nameOf(value)}${isQuoted ? `: write ${value} without quotes` : ''}`;
  }
  if (types.includes('boolean')) return `must be true or false, not ${nameOf(value)}`;
  return `must be a mapping, not ${nameOf(value)}`;
}

/** A value in the words of a message. */
function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (isRecord(value)) return 'a mapping';
  return typeof value === 'string' ? `the text "${value}"` : JSON.stringify(value);
}

/** The API server reads the deprecated field of a PodSpec where the other is empty. */
function takeDeprecatedAccount(spec: Record<string, unknown>): void {
  if (spec['serviceAccountName'] || !spec['serviceAccount']) return;
  spec['serviceAccountName'] = spec['serviceAccount'];
}
