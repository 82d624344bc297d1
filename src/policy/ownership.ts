/** The owners of own objects, also where somebody has removed their labels. Pure. */
import type { ObjectMeta } from '../api/meta.ts';
import { LABEL_EXCEPTION } from '../api/names.ts';
import { isExceptionReference } from './semantics/normalize.ts';

/** The exception that an own object was written for: by its label or, without the label, by its owner; undefined if for none. */
export function exceptionNameOf({
  labels,
  ownerReferences,
}: Pick<ObjectMeta, 'labels' | 'ownerReferences'>): string | undefined {
  return labels?.[LABEL_EXCEPTION] ?? ownerReferences?.find(isExceptionReference)?.name;
}
