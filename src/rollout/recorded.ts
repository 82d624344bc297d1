/** Revisions as they are recorded: ControllerRevisions in the operator's namespace, owned by their profile. Pure. */
import type { KubeObject } from '../api/meta.ts';
import { API_VERSION, KIND, LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../api/names.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { isProfileReference } from '../policy/semantics/normalize.ts';
import { isRecord } from '../util/is-record.ts';
import { type Intent, intentOf, type Revision, type Wave } from './revision.ts';

export const CONTROLLER_REVISIONS = {
  group: 'apps',
  version: 'v1',
  plural: 'controllerrevisions',
  namespaced: true,
} as const;

export interface ControllerRevision extends KubeObject {
  readonly revision: number;
  readonly data: { readonly intent: Intent; readonly waves: readonly Wave[] };
}

export interface RecordedRevision {
  /** The uid of its profile. */
  readonly profile: string;
  /** Undefined if its content can't be read. */
  readonly revision: Revision | undefined;
}

/** The recorded revision; undefined for a ControllerRevision that no profile owns. Its labels are for those who select by them. */
export function recordedRevision(object: KubeObject): RecordedRevision | undefined {
  const { metadata, revision: number, data } = object as ControllerRevision;
  const profile = metadata.ownerReferences?.find(isProfileReference)?.uid;
  if (profile === undefined) return undefined;
  const isReadable = isRecord(data) && isRecord(data.intent) && Array.isArray(data.waves);
  return { profile, revision: isReadable ? { number, intent: data.intent, waves: data.waves } : undefined };
}

/**
 * The object that records the profile as it is. Its name has a part of the profile's uid: the revisions of a deleted profile of
 * the same name may still exist.
 */
export function revisionObject(
  { metadata: { name, uid = '' }, spec }: SegmentationProfile,
  number: number,
  namespace: string,
): ControllerRevision {
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${name}.${uid.slice(0, 8)}.${number}`,
      namespace,
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: name },
      ownerReferences: [{ apiVersion: API_VERSION, kind: KIND, name, uid }],
    },
    revision: number,
    data: { intent: intentOf(spec), waves: spec.rollout?.waves ?? [] },
  };
}
