/** The entries of one priority that are ready to run, first come, first served; every operation is O(1). */
export class ReadyList<T extends object> {
  readonly #entries = new Set<T>();
  // One iterator until it ends: each new one would step over the holes of all removed entries again.
  #cursor = this.#entries.values();

  get size(): number {
    return this.#entries.size;
  }

  append(entry: T): void {
    this.#entries.add(entry);
  }

  remove(entry: T): void {
    this.#entries.delete(entry);
  }

  shift(): T | undefined {
    if (this.#entries.size === 0) return undefined;
    let next = this.#cursor.next();
    if (next.done) {
      this.#cursor = this.#entries.values();
      next = this.#cursor.next();
    }
    if (next.value) this.#entries.delete(next.value);
    return next.value;
  }

  clear(): void {
    this.#entries.clear();
  }
}
