/** What is known of all policies. Those that hold the same share it, as long as any of them is here. */
import { Store } from '../../kube/watch/store.ts';
import { PolicyContentPool } from './content-pool.ts';
import type { PolicyItem } from '../items.ts';
import { PolicyReader } from './reader.ts';

export class PolicyStore extends Store<PolicyItem> {
  readonly #pool: PolicyContentPool;
  readonly #reader: PolicyReader;
  /** What the API server writes of a policy, instead of JSON.parse. */
  readonly parse: PolicyReader['parse'];
  /** A policy as it is on the wire, as this store takes it. */
  readonly project: PolicyReader['project'];

  constructor(pool = new PolicyContentPool()) {
    super();
    this.#pool = pool;
    this.#reader = new PolicyReader(pool);
    this.parse = this.#reader.parse;
    this.project = this.#reader.project;
    this.subscribe(({ old, new: next }) => {
      // The new one first: what both of them have stays.
      if (next?.content !== undefined) pool.retain(next.content);
      if (old?.content !== undefined) pool.release(old.content);
    });
  }

  override replace(items: readonly PolicyItem[], resourceVersion: string): void {
    super.replace(items, resourceVersion);
    this.#pool.sweep();
    this.#reader.sweep();
  }
}
