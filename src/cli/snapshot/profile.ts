/** A SegmentationProfile from a manifest, as the API server would store it. */
import schema from '../../api/generated/segmentation-profile.schema.json' with { type: 'json' };
import type { KubeObject } from '../../api/meta.ts';
import { API_VERSION } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { CliError } from '../shell/failure.ts';
import { admit, type Problem } from '../schema/schema.ts';

/** What the API server would say against the manifest; its defaults are filled in. */
export function admitProfile(object: object): { value: unknown; problems: readonly Problem[] } {
  return admit(schema, object);
}

/** @param at where the manifest stands @throws CliError with everything that is wrong */
export function checkedProfile(object: KubeObject, at: string): SegmentationProfile {
  if (object.apiVersion !== API_VERSION) {
    throw new CliError(`${at}: apiVersion ${object.apiVersion} is not known; write ${API_VERSION}`);
  }
  const { value, problems } = admitProfile(object);
  if (problems.length > 0) {
    const lines = problems.map(({ at, message }) => `  ${at || object.metadata.name}: ${message}`);
    throw new CliError(
      `${at}: SegmentationProfile ${object.metadata.name} is not valid:\n${lines.join('\n')}`,
    );
  }
  const { metadata, ...rest } = value as SegmentationProfile;
  const { namespace: _, ...kept } = metadata;
  return { ...rest, metadata: kept };
}
