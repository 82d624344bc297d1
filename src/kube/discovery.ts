/** Reads what an API server serves, and its version. Every authenticated client may ask by default. */
import { ApiError, isAborted } from './errors.ts';
import type { Transport } from './http/transport.ts';
import type { ResourceKind } from './resource.ts';

interface GroupList {
  readonly groups?: readonly {
    readonly name?: string;
    readonly versions?: readonly { readonly groupVersion?: string }[];
  }[];
}

/** The names of the groups that the API server serves; undefined if it does not answer. */
export async function servedGroups(
  transport: Transport,
  signal?: AbortSignal,
): Promise<ReadonlySet<string> | undefined> {
  const answer = await ask<GroupList>(transport, '/apis', signal);
  return answer && new Set((answer.groups ?? []).flatMap(({ name }) => name ?? []));
}

/**
 * Returns a function that is false for a kind whose version the cluster does not serve. A client without permission for it
 * would be refused, as if it were there. Without an answer, every kind counts as served.
 */
export async function servedVersions(
  transport: Transport,
  signal?: AbortSignal,
): Promise<(kind: Pick<ResourceKind, 'group' | 'version'>) => boolean> {
  const answer = await ask<GroupList>(transport, '/apis', signal);
  if (answer === undefined) return () => true;
  const served = new Set(
    (answer.groups ?? []).flatMap(({ versions = [] }) => versions.map(({ groupVersion }) => groupVersion)),
  );
  return ({ group, version }) => group === '' || served.has(`${group}/${version}`);
}

/** The version that the API server tells, such as `v1.36.3`. Clusters may forbid /version, or hide it behind a proxy. */
export async function serverVersion(transport: Transport, signal?: AbortSignal): Promise<string | undefined> {
  const answer = await ask<{ readonly gitVersion?: unknown }>(transport, '/version', signal);
  return typeof answer?.gitVersion === 'string' ? answer.gitVersion : undefined;
}

/** @throws ApiError if the signal is aborted */
async function ask<T>(transport: Transport, path: string, signal?: AbortSignal): Promise<T | undefined> {
  try {
    return await transport.request<T>({ method: 'GET', path, signal });
  } catch (error) {
    if (error instanceof ApiError && !isAborted(error)) return undefined;
    throw error;
  }
}
