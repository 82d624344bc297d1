/** Turns an answer of the model into the result of a Transport. */
import { errorOfResponse } from '../../../src/kube/errors.ts';
import type { RequestName } from '../../../src/kube/errors.ts';
import type { Answer } from './server.ts';

/**
 * The body of a successful answer.
 *
 * @param now wall clock, milliseconds since the epoch
 * @throws ApiError for any other answer
 */
export function answerOf(request: RequestName, { status, body, retryAfter }: Answer, now: number): object {
  if (status < 300) return body;
  throw errorOfResponse(request, { status, body: JSON.stringify(body), retryAfter }, now);
}
