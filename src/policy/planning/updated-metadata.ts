/** The metadata of an object that is updated: the own parts change, and those of others stay. Pure. */
import type { ObjectMeta } from '../../api/meta.ts';
import { ANNOTATION_RULES, OWN_LABELS } from '../../api/names.ts';
import { isOwnReference } from '../semantics/normalize.ts';

/** `desired` with the labels, annotations, owners and finalizers of others that `observed` has. */
export function updatedMetadata(observed: ObjectMeta, desired: ObjectMeta): ObjectMeta {
  const { labels, annotations, ownerReferences = [], finalizers, name, namespace } = observed;
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(finalizers && { finalizers }),
    labels: { ...without(labels, OWN_LABELS), ...desired.labels },
    annotations: { ...without(annotations, [ANNOTATION_RULES]), ...desired.annotations },
    ownerReferences: [
      ...ownerReferences.filter((reference) => !isOwnReference(reference)),
      ...(desired.ownerReferences ?? []),
    ],
  };
}

function without(
  map: Readonly<Record<string, string>> = {},
  keys: readonly string[] = [],
): Record<string, string> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !keys.includes(key)));
}
