/** Admission of SegmentationProfiles from manifests, as the API server admits them. Pure. */
import schema from '../../api/generated/segmentation-profile.schema.json' with { type: 'json' };
import { admitCustomResource, type AdmittedResource } from './custom-resource.ts';

export function admitProfile(raw: unknown): AdmittedResource {
  return admitCustomResource(schema, raw);
}
