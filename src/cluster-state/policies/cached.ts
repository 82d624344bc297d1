/** Cached policies as the API server has them. No I/O. */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { PolicyItem } from '../items.ts';
import { SharedPolicy } from './content-pool.ts';

/** The cached policies; undefined if the content of one of them is not cached. */
export function cachedPolicies(items: Iterable<PolicyItem>): NetworkPolicy[] | undefined {
  const policies: NetworkPolicy[] = [];
  for (const item of items) {
    if (item.content === undefined) return undefined;
    policies.push(new SharedPolicy(item, item.content));
  }
  return policies;
}
