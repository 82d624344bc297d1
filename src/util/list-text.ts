/** Counts and lists as English text, for messages. */

/** `a`, `a and b`, `a, b and c`; empty for no items. */
export function listText(items: readonly string[]): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`;
}

export interface ShortListOptions {
  /** Items that are named at most. Default 3. */
  readonly most?: number;
  /** Length of the list, if `items` are only the first of it. */
  readonly total?: number;
}

/** `a, b, c and 9 more`; `a, b` if all of them are named. */
export function shortList(items: readonly string[], options: ShortListOptions = {}): string {
  const { most = 3, total = items.length } = options;
  const named = items.slice(0, most);
  const more = total - named.length;
  return named.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** `1 namespace`, `2 namespaces`. */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}
