/** Generates the CRD's schema as JSON, for validating manifests without an API server; without descriptions and status. */
import type { SchemaNode } from './crd.ts';

export function schemaDocument(root: SchemaNode): string {
  const { status: _, ...properties } = root.properties ?? {};
  // Whatever a manifest says of the status, the API server drops.
  const document = { ...root, properties: { ...properties, status: {} } };
  return `${JSON.stringify(withoutDescriptions(document), null, 2)}\n`;
}

/** Under `properties`, `description` is the name of a field and has a schema. */
function withoutDescriptions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDescriptions);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, each]) => key !== 'description' || typeof each !== 'string')
      .map(([key, each]) => [key, withoutDescriptions(each)]),
  );
}
