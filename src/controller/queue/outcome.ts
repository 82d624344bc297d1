/** Outcomes of a reconcile, as the queue takes them. */
import { ApiError } from '../../kube/errors.ts';
import type { Outcome } from './key-queue.ts';

export const DONE: Outcome = { kind: 'done' };

/** The reconcile failed: back off, and for no less than the API server asked for. */
export function retry(error: unknown): Outcome {
  const retryAfterMs = error instanceof ApiError ? error.retryAfterMs : undefined;
  return { kind: 'retry', error, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** A request was aborted: the controller is stopping (done), or the replica was briefly not the leader (retry). */
export function givenUp(error: unknown, signal: AbortSignal): Outcome {
  return signal.aborted ? DONE : retry(error);
}
