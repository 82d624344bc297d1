/** SegmentationExceptions as they are watched, and the cached policies that belong to one. Pure. */
import type { SegmentationException } from '../../api/exception.ts';
import { ANNOTATION_RULES, EXCEPTION_PLURAL, GROUP, VERSION } from '../../api/names.ts';
import { type PolicyItem, projectKeyOnly } from '../../cluster-state/items.ts';
import type { ResourceKind } from '../../kube/resource.ts';
import type { Item } from '../../kube/watch/store.ts';
import { parseNotes } from '../../policy/notes.ts';

export const EXCEPTIONS: ResourceKind = {
  group: GROUP,
  version: VERSION,
  plural: EXCEPTION_PLURAL,
  namespaced: true,
};

export interface ExceptionItem extends Item {
  readonly exception: SegmentationException;
}

export function projectException(raw: object): ExceptionItem {
  const { metadata, ...rest } = raw as SegmentationException;
  const { managedFields: _, ...kept } = metadata;
  return { ...projectKeyOnly(raw), exception: { ...rest, metadata: kept } };
}

/** The end that is noted on the policy, in milliseconds since the epoch; Infinity if none can be read. */
export function notedEnd({ content }: PolicyItem): number {
  const notes = parseNotes(content?.annotations?.[ANNOTATION_RULES] ?? '[]') ?? [];
  const ends = notes.map((note) => Date.parse(note?.until ?? '')).filter((end) => !Number.isNaN(end));
  return ends.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...ends);
}

/** Equal for states of an exception with the same spec. */
export function formOf(uid: string, { metadata }: SegmentationException): string {
  return `${uid} ${metadata.generation} ${metadata.deletionTimestamp ?? ''}`;
}
