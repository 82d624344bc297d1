/** Admission of SegmentationExceptions from manifests, as the API server admits them. Pure. */
import schema from '../../api/generated/segmentation-exception.schema.json' with { type: 'json' };
import { isRecord } from '../../util/is-record.ts';
import { admitCustomResource, type AdmittedResource } from './custom-resource.ts';

/**
 * A name that is missing in `requestedBy` is no violation, and stays missing: a MutatingAdmissionPolicy may fill it in
 * before the API server looks at the schema.
 */
export function admitException(raw: unknown): AdmittedResource {
  const spec = isRecord(raw) && isRecord(raw['spec']) ? raw['spec'] : undefined;
  if (!isRecord(raw) || spec === undefined || (spec['requestedBy'] ?? undefined) !== undefined)
    return admitCustomResource(schema, raw);
  const filledIn = { ...raw, spec: { ...spec, requestedBy: 'filled-in' } };
  const { value, violations } = admitCustomResource(schema, filledIn);
  if (!isRecord(value) || !isRecord(value['spec'])) return { value, violations };
  const { requestedBy: _, ...given } = value['spec'];
  return { value: { ...value, spec: given }, violations };
}
