/** The error that is reported of a collection that was never listed. Pure. */
import { ApiError } from '../../kube/errors.ts';

/**
 * Paged and streamed lists are tried in turn, and the latest error of both would alternate: each change of a report is a write
 * of the profile's status. So the error of a streamed list takes no place of that of a paged one.
 */
export function errorToReport(known: unknown, latest: unknown): unknown {
  return isOfPagedList(known) && !isOfPagedList(latest) ? known : latest;
}

function isOfPagedList(error: unknown): boolean {
  return error instanceof ApiError && error.method === 'GET';
}
