/** What is known of all policies. Those that hold the same share it, as long as any of them is here. */
import { Store } from '../kube/store.ts';
import { Bodies } from './bodies.ts';
import { type PolicyItem, projectPolicy } from './observed.ts';

export class PolicyStore extends Store<PolicyItem> {
  readonly #bodies: Bodies;

  constructor(bodies = new Bodies()) {
    super();
    this.#bodies = bodies;
    this.subscribe(({ old, new: next }) => {
      // The new one first: what both of them have stays.
      if (next?.body !== undefined) bodies.hold(next.body);
      if (old?.body !== undefined) bodies.release(old.body);
    });
  }

  /** A policy as it is on the wire, as this store takes it. */
  readonly project = (raw: object): PolicyItem => projectPolicy(raw, this.#bodies);

  override replace(items: readonly PolicyItem[], resourceVersion: string): void {
    super.replace(items, resourceVersion);
    this.#bodies.sweep();
  }
}
