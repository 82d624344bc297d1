/** Orders of texts by UTF-16 code unit: the same on every machine and in every locale. */

/** Negative, zero or positive as `a` sorts before, with or after `b`. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return compareText(a.name, b.name);
}

/** Orders objects of one namespace, or cluster-scoped ones, by `metadata.name`. */
export function byObjectName(
  a: { readonly metadata: { readonly name: string } },
  b: { readonly metadata: { readonly name: string } },
): number {
  return compareText(a.metadata.name, b.metadata.name);
}

/** Orders entries of a record or map by key. */
export function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return compareText(a, b);
}

/** The first `count` texts in order, without sorting all of them: a status may choose three of ten thousand names. */
export function smallest(texts: readonly string[], count: number): string[] {
  const found: string[] = [];
  for (const text of texts) {
    if (found.length === count && text >= (found[count - 1] ?? '')) continue;
    found.push(text);
    found.sort(compareText);
    found.length = Math.min(found.length, count);
  }
  return found;
}
