/** Orders resourceVersions: decimal numbers of any length, comparable within one kind (KEP-5504). */

/** Negative, zero or positive as `a` is older than, the same as or newer than `b`. */
export function compareResourceVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
