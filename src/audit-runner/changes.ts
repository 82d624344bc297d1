/** Notices changes of the watched objects that an audit may judge differently. */
import type { NamespaceItem, PolicyItem, ProfileItem } from '../cluster-state/items.ts';
import type { ClusterState } from '../cluster-state/state.ts';
import type { Item, Store, StoreChange } from '../kube/watch/store.ts';

/** Calls `listener` after each change of a profile's spec, of a namespace's labels, and of a policy. */
export function onChange({ profiles, namespaces, policies }: ClusterState, listener: () => void): void {
  follow(profiles, ({ uid, profile }: ProfileItem) => `${uid} ${profile.metadata.generation}`);
  follow(namespaces, ({ uid, labels, terminating }: NamespaceItem) =>
    JSON.stringify([uid, labels, terminating]),
  );
  follow(policies, ({ uid, resourceVersion }: PolicyItem) => `${uid} ${resourceVersion}`);

  function follow<T extends Item>(store: Pick<Store<T>, 'subscribe'>, partOf: (item: T) => string): void {
    store.subscribe(({ old, new: next }: StoreChange<T>) => {
      if ((old && partOf(old)) !== (next && partOf(next))) listener();
    });
  }
}
