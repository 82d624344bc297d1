/**
 * The namespaces that have a dependency: nearly all of them, or only one, as for the webhooks of a namespace. One namespace is
 * kept without a set, which would take ten times its memory.
 */
export class Dependents {
  #names: string | Set<string> | undefined;

  get isEmpty(): boolean {
    return this.#names === undefined;
  }

  add(name: string): void {
    const names = this.#names;
    if (names === undefined) this.#names = name;
    else if (names instanceof Set) names.add(name);
    else if (names !== name) this.#names = new Set([names, name]);
  }

  delete(name: string): void {
    const names = this.#names;
    if (names === name) this.#names = undefined;
    else if (names instanceof Set && names.delete(name) && names.size === 0) this.#names = undefined;
  }

  [Symbol.iterator](): Iterator<string, undefined> {
    const names = this.#names;
    if (names instanceof Set) return names.values();
    return (names === undefined ? [] : [names]).values();
  }
}
