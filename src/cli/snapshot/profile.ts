/** Admission of SegmentationProfiles from manifests, as the API server admits them. Pure. */
import schema from '../../api/generated/segmentation-profile.schema.json' with { type: 'json' };
import { admit } from '../../manifests/custom-resources/admit.ts';
import { admitMetadata } from '../../manifests/kinds.ts';
import type { Violation } from '../../manifests/violations.ts';
import { isRecord } from '../../util/is-record.ts';

export interface AdmittedProfile {
  /** With defaults; meaningful only without violations. */
  readonly value: unknown;
  readonly violations: readonly Violation[];
}

export function admitProfile(raw: unknown): AdmittedProfile {
  const metadata = admitMetadata(isRecord(raw) ? raw['metadata'] : undefined);
  if (metadata.violations.length > 0) return metadata;
  return admit(schema, isRecord(raw) ? { ...raw, metadata: metadata.value } : raw);
}
