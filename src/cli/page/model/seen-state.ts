/** How a flow that was seen, or may pass, stands to the policies. */

/**
 * - `denied`: seen, and the policies deny it
 * - `unknown`: seen, and it depends on a part of a policy that can't be evaluated
 * - `refused`: the log says that it was denied, and the policies allow it: something else denies it, or they have changed
 * - `unseen`: the policies allow it, and nothing was seen
 * - `seen`: seen and allowed
 */
export const SEEN_STATES = ['denied', 'unknown', 'refused', 'unseen', 'seen'] as const;
export type SeenState = (typeof SEEN_STATES)[number];
