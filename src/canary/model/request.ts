/**
 * The request for a round: a client writes an id of its choice into one ConfigMap, and the reports of the rounds that began
 * afterwards repeat it. Pure.
 */

/** The name of the ConfigMap, in the namespace inside; config/canary creates it without data. */
export const REQUEST = 'segmentation-canary-request';
const KEY = 'requested';
/** A longer id is no request: reports repeat it. */
const MAX_LENGTH = 64;

/** The id of the last request in the ConfigMap's data; empty if there is none. */
export function requestedId(data: Readonly<Record<string, unknown>> | undefined): string {
  const id = data?.[KEY];
  return typeof id === 'string' && id.length <= MAX_LENGTH ? id : '';
}

/** A merge patch of the ConfigMap that makes a request. @param id at most 64 characters, new for each request */
export function requestPatch(id: string): object {
  return { data: { [KEY]: id } };
}
