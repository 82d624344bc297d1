/** Whether any pod is in a namespace: what decides if a transition has to keep flows open. */
import type { KubeObject } from '../../api/meta.ts';
import type { Clock } from '../../util/clock.ts';
import { isTooLargeResourceVersion } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';

/**
 * How old an answer may be, in milliseconds. A Pod that was created since then is as one that is created right after
 * the answer: it has to be scheduled and given a network before anything could be cut.
 */
const MAX_AGE = 250;

/**
 * Asks the API server, each time. A consistent read of Pods waits there until its cache is proven to be up to date,
 * which under load takes up to 100 ms; so its revision serves the questions of the next moments, as the least that
 * they are answered from.
 */
export class PodProbe {
  readonly #pods: Resource<KubeObject>;
  readonly #clock: Clock;
  #known: { readonly resourceVersion: string; readonly asked: number } | undefined;
  #isRenewing = false;

  constructor(pods: Resource<KubeObject>, clock: Clock) {
    this.#pods = pods;
    this.#clock = clock;
  }

  /** Whether there was a pod at some moment of the last MAX_AGE, or later. @throws ApiError */
  async any(namespace: string, signal: AbortSignal): Promise<boolean> {
    const known = this.#known;
    const age = this.#clock.monotonic() - (known?.asked ?? Number.NEGATIVE_INFINITY);
    if (known === undefined || age > MAX_AGE || (age > MAX_AGE / 2 && !this.#isRenewing))
      return this.#askAnew(namespace, signal);
    const { resourceVersion } = known;
    const least = { resourceVersion, resourceVersionMatch: 'NotOlderThan' as const };
    try {
      return (await this.#pods.list({ namespace, limit: 1, ...least, signal })).items.length > 0;
    } catch (error) {
      // Another API server, whose cache is behind.
      if (isTooLargeResourceVersion(error)) return this.#askAnew(namespace, signal);
      throw error;
    }
  }

  async #askAnew(namespace: string, signal: AbortSignal): Promise<boolean> {
    const asked = this.#clock.monotonic();
    this.#isRenewing = true;
    try {
      const { metadata, items } = await this.#pods.list({ namespace, limit: 1, signal });
      if (this.#known === undefined || asked > this.#known.asked)
        this.#known = { resourceVersion: metadata.resourceVersion, asked };
      return items.length > 0;
    } finally {
      this.#isRenewing = false;
    }
  }
}
