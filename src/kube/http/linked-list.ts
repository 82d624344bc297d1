/**
 * A list from which entries are removed at any place, in constant time. It serves for entries that live shortly, where a Set or
 * Map would keep garbage alive: it leaves a table behind each time that it grows or is compacted, which refers to the entries
 * of that moment and to the next table. Once one such table is in V8's old generation, all that come after it follow it there,
 * with everything that their entries refer to, until V8 collects that generation. A removed link refers to no other.
 */
export interface Link<T> {
  readonly value: T;
}

interface OpenLink<T> extends Link<T> {
  previous: OpenLink<T> | undefined;
  next: OpenLink<T> | undefined;
  isRemoved: boolean;
}

export class LinkedList<T> {
  #first: OpenLink<T> | undefined;
  #last: OpenLink<T> | undefined;

  /** The entry that was added before all others; undefined if there is none. */
  get first(): Link<T> | undefined {
    return this.#first;
  }

  /** @returns the link, by which the entry can be removed */
  add(value: T): Link<T> {
    const link: OpenLink<T> = { value, previous: this.#last, next: undefined, isRemoved: false };
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
    return link;
  }

  /** Removes an entry of this list. No effect if it has been removed. */
  remove(entry: Link<T>): void {
    // Only `add` creates links.
    const link = entry as OpenLink<T>;
    if (link.isRemoved) return;
    const { previous, next } = link;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    link.previous = link.next = undefined;
    link.isRemoved = true;
  }
}
