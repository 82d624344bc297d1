/**
 * Waivers: findings that somebody accepts, with a reason, a name and an end. A waiver is written in a file, in the operator's
 * configuration, or in an annotation of the object. An expired waiver waives nothing, and is a finding itself. Pure.
 */
import type { StringMap } from '../../api/meta.ts';
import { GROUP } from '../../api/names.ts';
import { isRecord } from '../../util/is-record.ts';
import { type ObjectReference, objectText } from '../finding.ts';

/** A JSON array of waivers without `object`: they are for the object that has the annotation. */
export const ANNOTATION_WAIVERS = `${GROUP}/audit-waivers`;

export interface Waiver {
  /** Id or category of the waived checks. */
  readonly check: string;
  /** `KIND NAMESPACE/NAME`, or `KIND NAME` of a cluster-scoped object; `*` stands for any text without a slash. */
  readonly object: string;
  /** Waives only this field; `*` as above. Absent: every field. */
  readonly field?: string;
  readonly reason: string;
  /** Who accepts the finding. */
  readonly by: string;
  /** Last day, in UTC: `2027-03-31`. */
  readonly until: string;
  /** Where the waiver is written, for messages. */
  readonly place: string;
  /** The annotated object; absent for a waiver of a file or of the configuration. */
  readonly annotated?: ObjectReference;
}

const KEYS = ['check', 'object', 'field', 'reason', 'by', 'until'] as const;
const MEANINGS: Readonly<Record<(typeof KEYS)[number], string>> = {
  check: 'the id of a check, such as pod-host-path',
  object: 'an object, such as DaemonSet monitoring/agent',
  field: 'the field of a finding',
  reason: 'why the finding is accepted',
  by: 'who accepts it',
  until: 'the last day, such as 2027-03-31',
};

/** One waiver. Problems are added to `problems`, with their place. */
export function readWaiver(
  value: unknown,
  { place, annotated }: Pick<Waiver, 'place' | 'annotated'>,
  problems: string[],
): Waiver | undefined {
  if (!isRecord(value)) {
    problems.push(`${place}: a waiver has ${KEYS.filter((key) => key !== 'field').join(', ')}`);
    return undefined;
  }
  const given: Record<string, unknown> =
    annotated === undefined ? value : { object: objectText(annotated), ...value };
  const before = problems.length;
  for (const key of Object.keys(given)) {
    if (!KEYS.some((known) => known === key))
      problems.push(`${place}: unknown key ${key}; known are ${KEYS.join(', ')}`);
  }
  for (const key of KEYS) {
    const text = given[key];
    if (key === 'field' && text === undefined) continue;
    if (typeof text !== 'string' || text.trim() === '')
      problems.push(`${place}: ${key} is missing; write ${MEANINGS[key]}`);
  }
  const { until } = given;
  if (typeof until === 'string' && !isDay(until))
    problems.push(`${place}: until: "${until}" is no day; write ${MEANINGS.until}`);
  if (annotated !== undefined && given['object'] !== objectText(annotated)) {
    problems.push(`${place}: an annotation waives findings of its own object only; leave object out`);
  }
  if (problems.length > before) return undefined;
  // Every key was found to be a text.
  return { ...(given as unknown as Waiver), place, ...(annotated && { annotated }) };
}

export interface ReadWaivers {
  readonly waivers: readonly Waiver[];
  /** The reasons for which others can't be read, each with its place. */
  readonly invalid: readonly string[];
}

/**
 * The waivers of a list. One that can't be read does not affect the others.
 *
 * @param placeOf where the waiver of this index is written
 */
export function readWaiverList(values: readonly unknown[], placeOf: (index: number) => string): ReadWaivers {
  const invalid: string[] = [];
  const waivers = values.flatMap(
    (value, index) => readWaiver(value, { place: placeOf(index) }, invalid) ?? [],
  );
  return { waivers, invalid };
}

/** The waivers in the annotations of an object. */
export function waiversOf(
  object: ObjectReference,
  annotations: StringMap = {},
  problems: string[] = [],
): Waiver[] {
  const text = annotations[ANNOTATION_WAIVERS];
  if (text === undefined) return [];
  const place = `annotation ${ANNOTATION_WAIVERS} of ${objectText(object)}`;
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list))
      return list.flatMap((each: unknown) => readWaiver(each, { place, annotated: object }, problems) ?? []);
  } catch {
    // Reported below, as any other text that is no list.
  }
  problems.push(`${place}: is no JSON array of waivers`);
  return [];
}

function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
