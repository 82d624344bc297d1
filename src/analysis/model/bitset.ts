/** A set of small numbers, a bit each. */
export class BitSet {
  readonly #words: Uint32Array;

  /** An empty set of numbers below `size`. */
  constructor(size: number) {
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  /** The indices of the true members. */
  static of(members: readonly boolean[]): BitSet {
    const set = new BitSet(members.length);
    for (const [index, member] of members.entries()) if (member) set.add(index);
    return set;
  }

  has(index: number): boolean {
    return (((this.#words[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1;
  }

  add(index: number): void {
    const word = index >>> 5;
    this.#words[word] = (this.#words[word] ?? 0) | (1 << (index & 31));
  }

  /** Adds what is in both `a` and `b`. */
  addCommon(a: BitSet, b: BitSet): void {
    for (let word = 0; word < this.#words.length; word++) {
      const common = (a.#words[word] ?? 0) & (b.#words[word] ?? 0);
      this.#words[word] = (this.#words[word] ?? 0) | common;
    }
  }
}
