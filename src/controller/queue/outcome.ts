/** How a reconcile ends, told to the queue. */
import { ApiError } from '../../kube/errors.ts';
import type { Outcome } from './key-queue.ts';

export const DONE: Outcome = { kind: 'done' };

/** It failed: back off, and for no less than the server asked for. */
export function retry(error: unknown): Outcome {
  const retryAfterMs = error instanceof ApiError ? error.retryAfterMs : undefined;
  return { kind: 'retry', error, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** A request was given up: as we end, or because we did not lead at that moment, which may have been the last word or not. */
export function givenUp(error: unknown, signal: AbortSignal): Outcome {
  return signal.aborted ? DONE : retry(error);
}
