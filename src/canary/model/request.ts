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

/** Longest delay of a requested round, in milliseconds. */
const MAX_DELAY_MS = 5_000;
const DELAY_MS_PER_PROBE = 2;

/**
 * How long a probe waits before a requested round, in milliseconds: thousands of probes that begin at once would all write
 * their reports at once. A few probes wait for none of it.
 *
 * @param random in [0, 1)
 */
export function delayMs(probes: number, random: number): number {
  return Math.round(random * Math.min(MAX_DELAY_MS, probes * DELAY_MS_PER_PROBE));
}

/** A merge patch of the ConfigMap that makes a request. @param id at most 64 characters, new for each request */
export function requestPatch(id: string): object {
  return { data: { [KEY]: id } };
}
