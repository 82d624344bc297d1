/**
 * What is known of the enforcement of policies by packets. The controller writes it into the status of every profile; who
 * finds it out is not its business.
 */
import type { ConditionStatus } from '../api/meta.ts';

export interface EnforcementVerdict {
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
}

export interface EnforcementProof {
  /** `pending` while nothing is known yet, as after a start: then the stored condition stays. */
  readonly verdict: EnforcementVerdict | 'pending';
  /** Calls `listener` after each change of the verdict. */
  subscribe(listener: () => void): void;
}
