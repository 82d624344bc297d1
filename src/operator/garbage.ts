/**
 * Filling the caches and comparing every namespace leave more garbage than live data, and V8 would keep a heap large
 * enough for both. Collecting it at these moments gives the memory back and holds nobody up.
 *
 * Does nothing unless node was started with --expose-gc, as in the image.
 */
export function collectGarbage(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
