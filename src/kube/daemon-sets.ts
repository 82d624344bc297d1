/** The state of single DaemonSets. */
import type { KubeObject } from '../api/meta.ts';
import { ApiError, isAborted, isForbidden, isNotFound } from './errors.ts';
import type { Transport } from './http/transport.ts';
import { Resource, type ResourceKind } from './resource.ts';

const DAEMON_SETS: ResourceKind = { group: 'apps', version: 'v1', plural: 'daemonsets', namespaced: true };

interface DaemonSet extends KubeObject {
  readonly status?: { readonly numberReady?: number };
}

/** `isReady`: it has a ready pod. */
export type DaemonSetState =
  | { readonly kind: 'found'; readonly isReady: boolean }
  | { readonly kind: 'absent' }
  | { readonly kind: 'forbidden' }
  /** It can't be read for another reason. */
  | { readonly kind: 'unreadable'; readonly message: string };

/** @throws ApiError if the signal is aborted */
export async function daemonSetState(
  transport: Transport,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  signal?: AbortSignal,
): Promise<DaemonSetState> {
  try {
    const daemonSets = new Resource<DaemonSet>(transport, DAEMON_SETS);
    const { status = {} } = await daemonSets.get(name, namespace, { signal });
    return { kind: 'found', isReady: (status.numberReady ?? 0) > 0 };
  } catch (error) {
    if (isNotFound(error)) return { kind: 'absent' };
    if (!(error instanceof ApiError) || isAborted(error)) throw error;
    const { message } = error;
    return isForbidden(error) ? { kind: 'forbidden' } : { kind: 'unreadable', message };
  }
}
