/**
 * The keys of the work queue: `namespace/NAME` (its policies, for all profiles that concern it), `profile/NAME` (its
 * finalizer and status), `admission/bindings` (what profiles ask of the API server's own admission), and
 * `admission/accounts` (what peers by ServiceAccount rely on).
 */
export type Key = `namespace/${string}` | `profile/${string}` | typeof ADMISSION | typeof ACCOUNTS;

export const ADMISSION = 'admission/bindings';
export const ACCOUNTS = 'admission/accounts';
