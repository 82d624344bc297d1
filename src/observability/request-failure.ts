/** Failed requests to the API server in words, and which of them have one cause. */
import { EXCEPTION_PLURAL, KIND, PLURAL } from '../api/names.ts';
import { ApiError, isCollectionMissing } from '../kube/errors.ts';

export interface RequestFailure {
  /** The meaning for a person who reads the log. */
  readonly message: string;
  /**
   * Equal for all requests that fail for the same cause, so that it is logged once. An API server that does not answer
   * is one cause, however many watches there are.
   */
  readonly cause: string;
}

/** @param resource the plural name of the kind that was requested */
export function describeRequestFailure(error: unknown, resource: string): RequestFailure {
  const { status, reason } = error instanceof ApiError ? error : { status: undefined, reason: String(error) };
  const cause = status === 0 ? `server ${reason}` : `${resource} ${status} ${reason}`;
  if (status === 404 && resource === PLURAL) {
    const message = `the CRD of ${KIND} is not installed, waiting for it (kubectl apply -k config/crd)`;
    return { message, cause };
  }
  if (status === 404 && resource === EXCEPTION_PLURAL) {
    const message =
      'the CRD of SegmentationException is not installed, waiting for it (kubectl apply -k config/exceptions)';
    return { message, cause };
  }
  if (isCollectionMissing(error))
    return { message: 'the API server does not serve the kind, waiting for its CRD', cause };
  if (status === 403) return { message: 'a permission is missing, waiting for it', cause };
  if (status === 401) return { message: 'the credentials are refused, will try again', cause };
  if (status === 0) return { message: 'the API server does not answer, will try again', cause };
  return { message: 'request failed, will try again', cause };
}
