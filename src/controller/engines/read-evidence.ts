/** Reads the traces of engines from the API server: a few single reads, no lists and no watches. */
import type { KubeObject } from '../../api/meta.ts';
import type {
  AgentName,
  AgentState,
  EngineEvidence,
  EngineSignature,
} from '../../engines/detection/signature.ts';
import { servedGroups } from '../../kube/discovery.ts';
import { ApiError, isAborted, isForbidden, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource, type ResourceKind } from '../../kube/resource.ts';

const DAEMON_SETS: ResourceKind = { group: 'apps', version: 'v1', plural: 'daemonsets', namespaced: true };

interface DaemonSet extends KubeObject {
  readonly status?: { readonly numberReady?: number };
}

/** @throws ApiError if the signal is aborted */
export async function readEvidence(
  signatures: readonly EngineSignature[],
  transport: Transport,
  signal: AbortSignal,
): Promise<readonly EngineEvidence[]> {
  const daemonSets = new Resource<DaemonSet>(transport, DAEMON_SETS);
  const [groups, ...agents] = await Promise.all([
    servedGroups(transport, signal),
    ...signatures.map((signature) =>
      Promise.all(
        signature.agents.map(async (name) => ({ name, state: await readAgent(name, daemonSets, signal) })),
      ),
    ),
  ]);
  return signatures.map((signature, index) => ({
    signature,
    agents: agents[index] ?? [],
    servedGroups: groups && signature.groups.filter((group) => groups.has(group)),
  }));
}

async function readAgent(
  { namespace, name }: AgentName,
  daemonSets: Resource<DaemonSet>,
  signal: AbortSignal,
): Promise<AgentState> {
  try {
    const { status = {} } = await daemonSets.get(name, namespace, { signal });
    return { kind: 'found', isReady: (status.numberReady ?? 0) > 0 };
  } catch (error) {
    if (isNotFound(error)) return { kind: 'absent' };
    if (!(error instanceof ApiError) || isAborted(error)) throw error;
    const { message } = error;
    return { kind: 'unreadable', message: isForbidden(error) ? 'the permission is missing' : message };
  }
}
