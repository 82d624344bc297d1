/**
 * Results that are equal in many namespaces, computed once. The policies of one profile have the same labels, annotations
 * and spec, as the same objects, in all namespaces; and so have the cached policies that they replace. Pure.
 */

/** Stands for an absent key. */
const ABSENT = {};

export class SharedResults<T> {
  readonly #last = new WeakMap<object, { readonly inputs: readonly unknown[]; readonly result: T }>();

  /**
   * The result of `compute`, or the last one for `key`, if it was computed from the same inputs. It is kept as long as
   * `key` is.
   */
  get(key: object | undefined, inputs: readonly unknown[], compute: () => T): T {
    const last = this.#last.get(key ?? ABSENT);
    if (last !== undefined && inputs.every((input, index) => input === last.inputs[index]))
      return last.result;
    const result = compute();
    this.#last.set(key ?? ABSENT, { inputs, result });
    return result;
  }
}
