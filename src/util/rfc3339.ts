/** Times in the form that Kubernetes writes them. */

/** In whole seconds, as times of conditions are. @param ms since the epoch */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
