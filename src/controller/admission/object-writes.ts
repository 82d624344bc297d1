/** Writes of single bindings, of either kind: each carries the uid and resourceVersion of the observed binding. */
import type { KubeObject } from '../../api/meta.ts';
import { isNotFound } from '../../kube/errors.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import type { Resource } from '../../kube/resource.ts';

/**
 * Creates the binding, or replaces the observed one.
 *
 * @returns the binding as stored
 * @throws ApiError
 */
export function writeObject<T extends KubeObject>(
  resource: Resource<T>,
  desired: T,
  observed: T | undefined,
  signal: AbortSignal,
): Promise<T> {
  if (observed === undefined) return resource.create(desired, { signal });
  const metadata = { ...desired.metadata, ...preconditionsOf(observed) };
  return resource.replace({ ...desired, metadata }, { signal });
}

/** Deletes the observed binding. A binding that is gone already is no error. @throws ApiError */
export async function deleteObject<T extends KubeObject>(
  resource: Resource<T>,
  observed: T,
  signal: AbortSignal,
): Promise<void> {
  try {
    const preconditions = preconditionsOf(observed);
    await resource.delete(observed.metadata.name, undefined, { preconditions, signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
