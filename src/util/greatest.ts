/**
 * The greatest of any number of values, where spread arguments of `Math.max` would overflow the stack; undefined if there is
 * none.
 */
export function greatest(values: Iterable<number>): number | undefined {
  let result: number | undefined;
  for (const value of values) if (result === undefined || value > result) result = value;
  return result;
}
