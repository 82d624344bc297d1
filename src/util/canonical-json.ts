/** JSON that compares by meaning: equal texts for values that differ only in the order of keys. */
import { byKey } from './order.ts';

export function canonicalJSON(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    each !== null && typeof each === 'object' && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(byKey))
      : each,
  );
}
