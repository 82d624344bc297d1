/** The cached policies. Policies with equal contents share one, as long as any of them is cached. */
import { Store } from '../../kube/watch/store.ts';
import { PolicyContentPool } from './content-pool.ts';
import { type PolicyItem, projectPolicy } from '../items.ts';
import { PolicyReader } from './reader.ts';

export class PolicyStore extends Store<PolicyItem> {
  readonly #pool: PolicyContentPool;
  readonly #reader: PolicyReader;
  /** Reads a policy in Protocol Buffers. */
  readonly readObject: PolicyReader['readObject'];
  /** From a policy as it is on the wire, or as `readObject` returned it, to an item of this store. */
  readonly project: (raw: object) => PolicyItem;

  constructor(pool = new PolicyContentPool()) {
    super();
    this.#pool = pool;
    this.#reader = new PolicyReader(pool);
    this.readObject = this.#reader.readObject;
    this.project = (raw) => projectPolicy(raw, pool, this.#sharedName);
    this.subscribe(({ old, new: next }) => {
      // First the new one: a content that both have stays.
      if (next?.content !== undefined) pool.retain(next.content);
      if (old?.content !== undefined) pool.release(old.content);
    });
  }

  /** The name of a namespace, in one string with the items that it has. Each answer and event has a string of its own. */
  readonly #sharedName = (namespace: string): string => {
    for (const item of this.byNamespace(namespace)) return item.namespace;
    return namespace;
  };

  override replace(items: readonly PolicyItem[], resourceVersion: string): void {
    super.replace(items, resourceVersion);
    this.#pool.sweep();
    this.#reader.sweep();
  }
}
