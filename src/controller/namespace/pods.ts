/** Finds out whether a namespace has pods: only then does a transition have to keep flows open. */
import type { KubeObject } from '../../api/meta.ts';
import type { Clock } from '../../util/clock.ts';
import { isTooLargeResourceVersion } from '../../kube/errors.ts';
import type { Resource } from '../../kube/resource.ts';

/**
 * Oldest revision that answers, in milliseconds. A Pod that was created since then is like one that is created right
 * after the answer: it is scheduled and given a network before a flow of it could be cut.
 */
const MAX_AGE_MS = 250;
/** A list of one pod tells if there are any; nothing of the pod itself is read. */
const PROBE = { limit: 1, metadataOnly: true } as const;

/**
 * Lists Pods each time. A consistent list waits in the API server until its cache is proven current, which under load
 * takes up to 100 ms. So the revision of such a list serves the next ones as the least that they are answered from. While
 * namespaces are asked about, it is renewed before it is too old, so that only the first of them waits for such a list. One
 * is under way at a time.
 */
export class PodProbe {
  readonly #pods: Resource<KubeObject>;
  readonly #clock: Clock;
  #known: { readonly resourceVersion: string; readonly asked: number } | undefined;
  /** The consistent list that is under way. Never rejects. */
  #renewal: Promise<unknown> | undefined;

  constructor(pods: Resource<KubeObject>, clock: Clock) {
    this.#pods = pods;
    this.#clock = clock;
  }

  /** True if the namespace had a pod at some moment of the last MAX_AGE_MS, or later. @throws ApiError */
  async any(namespace: string, signal: AbortSignal): Promise<boolean> {
    // Once: a list that takes longer than MAX_AGE_MS is of no use to others.
    if (this.#renewal !== undefined && this.#age() > MAX_AGE_MS) await this.#renewal;
    if (this.#known === undefined || this.#age() > MAX_AGE_MS) return this.#askAnew(namespace, signal);
    const { resourceVersion } = this.#known;
    if (this.#age() > MAX_AGE_MS / 2) this.prefetch(signal);
    const least = { resourceVersion, resourceVersionMatch: 'NotOlderThan' as const };
    try {
      return (await this.#pods.list({ ...PROBE, namespace, ...least, signal })).items.length > 0;
    } catch (error) {
      // Another API server answered, whose cache lags.
      if (isTooLargeResourceVersion(error)) return this.#askAnew(namespace, signal);
      throw error;
    }
  }

  /** Begins a consistent list for namespaces that will soon be asked about. */
  prefetch(signal: AbortSignal): void {
    // Where it fails, so do the questions that follow, and report it.
    if (this.#renewal === undefined) this.#askAnew(undefined, signal).catch(() => {});
  }

  /** How long ago the known revision was the latest one for sure, in milliseconds. */
  #age(): number {
    return this.#clock.monotonic() - (this.#known?.asked ?? Number.NEGATIVE_INFINITY);
  }

  /** @param namespace undefined: all namespaces */
  async #askAnew(namespace: string | undefined, signal: AbortSignal): Promise<boolean> {
    const asked = this.#clock.monotonic();
    const list = this.#pods.list({ ...PROBE, namespace, signal });
    const renewal = list.then(
      ({ metadata: { resourceVersion } }) => {
        if (this.#known === undefined || asked > this.#known.asked) this.#known = { resourceVersion, asked };
      },
      () => {},
    );
    this.#renewal = renewal;
    try {
      return (await list).items.length > 0;
    } finally {
      if (this.#renewal === renewal) this.#renewal = undefined;
    }
  }
}
