/**
 * The verdict on enforcement by packets, which the controller writes into the status of every profile. The composition root
 * chooses who forms it.
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
