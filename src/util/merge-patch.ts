/** JSON merge patches (RFC 7386). */
import { isRecord } from './is-record.ts';

/** The patch that replaces `before` by `after`: a merge patch keeps what it does not name, so what is gone is null. */
export function replacing(before: unknown, after: object): object {
  const old = isRecord(before) ? before : {};
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(old)) patch[key] = null;
  for (const [key, value] of Object.entries(after))
    patch[key] = isRecord(value) ? replacing(old[key], value) : value;
  return patch;
}
