/** The search for own objects before anything of their kind is watched. */
import type { KubeObject } from '../../api/meta.ts';
import { isCollectionMissing, isForbidden } from '../../kube/errors.ts';
import { PAGE_SIZE, type Resource } from '../../kube/resource.ts';
import { isMarked } from '../../policy/ownership.ts';

/**
 * True if an own object of the kind exists. A selector would not find objects whose labels somebody has removed. A kind that is
 * not served, or may not be read, has no objects that the operator could delete.
 *
 * @throws ApiError if the list fails for another reason
 */
export async function hasOwnObjects(objects: Resource<KubeObject>, signal: AbortSignal): Promise<boolean> {
  const options = { limit: PAGE_SIZE, metadataOnly: true, signal };
  let wasEmpty = false;
  try {
    for (let next: string | undefined; ; ) {
      const { metadata, items } = await objects.list({ ...options, continue: next });
      if (items.some(isMarked)) return true;
      next = metadata.continue || undefined;
      // A cache may send an empty list by mistake: it is believed at the second time.
      if (next === undefined && (wasEmpty || items.length > 0)) return false;
      wasEmpty ||= items.length === 0;
    }
  } catch (error) {
    if (isForbidden(error) || isCollectionMissing(error)) return false;
    throw error;
  }
}
