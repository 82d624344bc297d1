/**
 * Filling the caches and comparing every namespace leave more garbage than live data, and V8 would keep a heap large
 * enough for both. Collecting it at these moments gives the memory back and holds nobody up.
 *
 * Does nothing unless node was started with --expose-gc, as in the image.
 */
import { getHeapStatistics } from 'node:v8';

/** Smallest heap, with its buffers, that is collected when the caches are filled, in bytes: about 20,000 policies. */
const LARGE_HEAP = 40 * 2 ** 20;

/** Collects until nothing more is freed. To be called when every namespace has been compared. */
export function collectGarbage(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** Does `collectGarbage` for a large heap only: a small one is collected soon after, and each time costs CPU. */
export function collectLargeGarbage(): void {
  const { used_heap_size: used, external_memory: buffers } = getHeapStatistics();
  if (used + buffers > LARGE_HEAP) collectGarbage();
}
