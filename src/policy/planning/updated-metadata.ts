/** The metadata of an object that is updated: the own parts change, and those of others stay. Pure. */
import type { ObjectMeta, OwnerReference, StringMap } from '../../api/meta.ts';
import { ANNOTATION_DIGESTS, ANNOTATION_RULES, OWN_LABELS } from '../../api/names.ts';
import { isOwnReference } from '../semantics/normalize.ts';
import { SharedResults } from './shared-results.ts';

/** `desired` with the labels, annotations, owners and finalizers of others that `observed` has. */
export function updatedMetadata(observed: ObjectMeta, desired: ObjectMeta): ObjectMeta {
  const { labels, annotations, ownerReferences, finalizers, name, namespace } = observed;
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(finalizers && { finalizers }),
    labels: labelsOf.get(desired.labels, [labels], () => ({
      ...without(labels, OWN_LABELS),
      ...desired.labels,
    })),
    annotations: annotationsOf.get(desired.annotations, [annotations], () => ({
      ...without(annotations, [ANNOTATION_RULES, ANNOTATION_DIGESTS]),
      ...desired.annotations,
    })),
    ownerReferences: ownersOf.get(desired.ownerReferences, [ownerReferences], () => [
      ...(ownerReferences ?? []).filter((reference) => !isOwnReference(reference)),
      ...(desired.ownerReferences ?? []),
    ]),
  };
}

const labelsOf = new SharedResults<StringMap>();
const annotationsOf = new SharedResults<StringMap>();
const ownersOf = new SharedResults<readonly OwnerReference[]>();

function without(map: StringMap = {}, keys: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !keys.includes(key)));
}
