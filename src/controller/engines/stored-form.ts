/** Compares an object as the API server stored it with the one that was sent. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { isRecord } from '../../util/is-record.ts';
import { shortList } from '../../util/list-text.ts';

/** The fields that differ, as paths such as `spec.egress[0].toFQDNs`. */
export interface FormDifference {
  /** Fields that were sent, and are not stored: the schema does not know them. */
  readonly lost: readonly string[];
  /** Fields that are stored, and were not sent so: a default of the schema, or a webhook. */
  readonly changed: readonly string[];
}

type Stored = KubeObject & { readonly spec?: unknown };

/** Compares name and spec: an API server of an engine's own may change names too. Undefined if they are equal. */
export function differenceOf(stored: Stored, sent: Stored): FormDifference | undefined {
  const difference = { lost: [] as string[], changed: [] as string[] };
  if (stored.metadata.name !== sent.metadata.name) difference.changed.push('metadata.name');
  compare(stored.spec, sent.spec, 'spec', difference);
  return difference.lost.length + difference.changed.length === 0 ? undefined : difference;
}

function compare(
  stored: unknown,
  sent: unknown,
  path: string,
  found: { readonly lost: string[]; readonly changed: string[] },
): void {
  if (canonicalJSON(stored) === canonicalJSON(sent)) return;
  if (Array.isArray(stored) && Array.isArray(sent) && stored.length === sent.length) {
    for (const [index, each] of sent.entries()) compare(stored[index], each, `${path}[${index}]`, found);
  } else if (isRecord(stored) && isRecord(sent)) {
    for (const key of new Set([...Object.keys(sent), ...Object.keys(stored)])) {
      const name = `${path}.${key}`;
      if (stored[key] === undefined) found.lost.push(name);
      else if (sent[key] === undefined) found.changed.push(name);
      else compare(stored[key], sent[key], name, found);
    }
  } else if (stored === undefined) found.lost.push(path);
  else found.changed.push(path);
}

/** The fields that a refusal by strict field validation names; none if it is another error. */
export function unknownFields(message: string): string[] {
  return [...message.matchAll(/unknown field "([^"]+)"/g)].map(([, field = '']) => field);
}

/**
 * A message that names the fields, and says what to do.
 *
 * @param plural the plural name of the kind
 * @param since the first version of the engine whose kind has all fields that are written
 */
export function differenceText(
  { lost, changed }: FormDifference,
  { plural, since }: { readonly plural: string; readonly since: string },
): string {
  if (lost.length > 0 || changed.length === 0) {
    const fields = lost.length === 0 ? '' : ` (${shortList(lost)})`;
    return `the CRD of ${plural} lacks fields that are written${fields}: upgrade it (${since} or later)`;
  }
  return (
    `the API server stores ${plural} in another form than they are written, with another ${shortList(changed)}: the CRD may be ` +
    'later than the operator knows, or a webhook changes them; upgrade the operator, or except its objects from the webhook'
  );
}
