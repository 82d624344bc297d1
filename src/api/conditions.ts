/** Status conditions, after the API conventions and kstatus. */
import { rfc3339 } from '../util/rfc3339.ts';
import type { Condition } from './meta.ts';

/** A condition without its `lastTransitionTime`. */
export type ConditionValue = Omit<Condition, 'lastTransitionTime'>;

/**
 * The conditions of `wanted`, in its order; `lastTransitionTime` moves only where the status differs from the
 * condition of the same type in `current` (API conventions, "typical status properties").
 */
export function mergeConditions(
  current: readonly Condition[],
  wanted: readonly ConditionValue[],
  now: Date,
): Condition[] {
  const stamp = rfc3339(now.getTime());
  return wanted.map((value) => {
    const before = current.find((condition) => condition.type === value.type);
    const lastTransitionTime =
      before !== undefined && before.status === value.status ? before.lastTransitionTime : stamp;
    return { ...value, lastTransitionTime };
  });
}
