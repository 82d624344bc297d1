/**
 * Custom resource definitions of the model: the form in which a kind's API is served, and how its structural schema refuses,
 * drops and adds fields. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions. Pure.
 */
import { isRecord } from '../../../src/util/is-record.ts';
import { apiVersionOf, type Kind, type Stored } from './kinds.ts';
import { badRequest } from './status.ts';

/** The part of a structural schema that the model knows. Without `properties`, every field is kept. */
export interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly default?: unknown;
}

interface Definition {
  readonly versions: readonly {
    readonly name: string;
    readonly served: boolean;
    readonly schema: { readonly openAPIV3Schema: Schema };
  }[];
}

/** The name of the CustomResourceDefinition of a kind. */
export function definitionName({ plural, group }: Kind): string {
  return `${plural}.${group}`;
}

/** The schema of the version that the kind is known by; undefined if the definition does not serve it. */
export function schemaOf({ version }: Kind, definition: Stored | undefined): Schema | undefined {
  const { versions = [] } = (definition?.['spec'] ?? {}) as Partial<Definition>;
  const found = versions.find(({ name, served }) => served && name === version);
  return found?.schema.openAPIV3Schema;
}

/** The object as it is served: without unknown fields, and with defaults. The API server does both on reads and on writes. */
export function inForm(object: Stored, schema: Schema): Stored {
  return withContent(object, withDefaults(withKnown(contentOf(object), schema), schema));
}

function withContent({ apiVersion, kind, metadata }: Stored, content: unknown): Stored {
  return { apiVersion, kind, metadata, ...(content as object) };
}

/** @throws Refusal 400 for a field that the schema lacks, as under `fieldValidation=Strict` */
export function refuseUnknown(kind: Kind, object: Stored, schema: Schema): void {
  const unknown = unknownFields(contentOf(object), schema, '');
  if (unknown.length === 0) return;
  const fields = unknown.map((path) => `unknown field "${path}"`).join(', ');
  const { kind: name } = kind;
  throw badRequest(
    `${name} in version "${apiVersionOf(kind).split('/').at(-1)}" cannot be handled as a ${name}: strict decoding error: ${fields}`,
  );
}

function contentOf(object: Stored): Record<string, unknown> {
  const { apiVersion: _, kind: __, metadata: ___, ...content } = object;
  return content;
}

function withKnown(value: unknown, { properties, items }: Schema): unknown {
  if (Array.isArray(value)) return items === undefined ? value : value.map((each) => withKnown(each, items));
  if (!isRecord(value) || properties === undefined) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => {
      const schema = properties[key];
      return schema === undefined ? [] : [[key, withKnown(each, schema)]];
    }),
  );
}

function withDefaults(value: unknown, { properties = {}, items }: Schema): unknown {
  if (Array.isArray(value))
    return items === undefined ? value : value.map((each) => withDefaults(each, items));
  if (!isRecord(value)) return value;
  const result: Record<string, unknown> = { ...value };
  for (const [key, schema] of Object.entries(properties)) {
    if (result[key] === undefined && schema.default !== undefined) result[key] = schema.default;
    if (result[key] !== undefined) result[key] = withDefaults(result[key], schema);
  }
  return result;
}

function unknownFields(value: unknown, { properties, items }: Schema, path: string): string[] {
  if (Array.isArray(value))
    return items === undefined
      ? []
      : value.flatMap((each, index) => unknownFields(each, items, `${path}[${index}]`));
  if (!isRecord(value) || properties === undefined) return [];
  return Object.entries(value).flatMap(([key, each]) => {
    const schema = properties[key];
    const at = path === '' ? key : `${path}.${key}`;
    return schema === undefined ? [at] : unknownFields(each, schema, at);
  });
}
