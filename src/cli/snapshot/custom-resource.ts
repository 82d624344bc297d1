/** Admission of custom resources from manifests by their schema, as the API server admits them. Pure. */
import { admit, type Schema } from '../../manifests/custom-resources/admit.ts';
import { admitMetadata } from '../../manifests/kinds.ts';
import type { Violation } from '../../manifests/violations.ts';
import { isRecord } from '../../util/is-record.ts';

export interface AdmittedResource {
  /** With defaults; meaningful only without violations. */
  readonly value: unknown;
  readonly violations: readonly Violation[];
}

export function admitCustomResource(schema: Schema, raw: unknown): AdmittedResource {
  const metadata = admitMetadata(isRecord(raw) ? raw['metadata'] : undefined);
  if (metadata.violations.length > 0) return metadata;
  if (!isRecord(raw)) return admit(schema, raw);
  const { value, violations } = admit(schema, { ...raw, metadata: withName(metadata.value as Names) });
  return { value: isRecord(value) ? { ...value, metadata: metadata.value } : value, violations };
}

interface Names {
  readonly name?: string;
  readonly generateName?: string;
}

/** The API server generates a name before it evaluates rules: it cuts the start, and appends five characters. */
function withName(metadata: Names): Names {
  const { name = '', generateName = '' } = metadata;
  return name === '' ? { ...metadata, name: `${generateName.slice(0, 58)}00000` } : metadata;
}
