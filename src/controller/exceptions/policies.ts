/** The cached policies of exceptions. No I/O. */
import { exceptionOf, type PolicyItem } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';

type Policies = Pick<ClusterState, 'policies'>;

/** A policy without cached content may be one of an exception, and then its end is unknown too. */
export function* policiesOfExceptions({ policies }: Policies, namespace: string): Generator<PolicyItem> {
  for (const item of policies.byNamespace(namespace))
    if (exceptionOf(item) !== undefined || mayBeOfException(item)) yield item;
}

function mayBeOfException({ content, profile, hasExceptionOwner }: PolicyItem): boolean {
  return content === undefined && (profile !== undefined || hasExceptionOwner);
}

/** @param exception its name */
export function hasPoliciesOf({ policies }: Policies, namespace: string, exception: string): boolean {
  for (const item of policies.byNamespace(namespace)) if (exceptionOf(item) === exception) return true;
  return false;
}
