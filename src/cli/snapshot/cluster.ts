/** Reads from a cluster the objects that commands need, page by page and trimmed. Never writes. */
import type { KubeObject } from '../../api/meta.ts';
import { KIND } from '../../api/names.ts';
import { loadKubeConfig } from '../../kube/config.ts';
import { ApiError, isForbidden, isNotFound } from '../../kube/errors.ts';
import { listPages } from '../../kube/watch/list.ts';
import { Resource } from '../../kube/resource.ts';
import { createTransport, type Transport } from '../../kube/http/transport.ts';
import { CliError } from '../shell/failure.ts';
import type { Terminal } from '../shell/terminal.ts';
import { KNOWN_KINDS, type KnownKind, ObjectSet } from './objects.ts';
import { isOwnedByJob, trimmedPod } from './pods.ts';
import { errorMessage } from '../../util/error-message.ts';

export interface ClusterOptions {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Kinds to read; all known kinds if absent. */
  readonly kinds?: readonly string[];
}

export interface ClusterObjects {
  readonly objects: ObjectSet;
  /** Kinds that could not be read, with the reason. */
  readonly unread: ReadonlyMap<string, string>;
  readonly context: string;
  /** Default namespace of the context. */
  readonly namespace: string | undefined;
}

/** Kinds without which no command can answer. Without another kind, some peers are unresolved. */
const REQUIRED = new Set(['Namespace', 'NetworkPolicy', 'Pod']);

/** @throws CliError if the cluster can't be reached, or a required kind can't be listed */
export async function readCluster(options: ClusterOptions, terminal: Terminal): Promise<ClusterObjects> {
  const { kubeconfig, context, env, version, kinds } = options;
  const config = asCliError(() => loadKubeConfig({ kubeconfig, context, env }));
  const transport = createTransport(config, {
    userAgent: `kubectl-segmentation/${version} (${process.platform}/${process.arch})`,
    env,
  });
  const objects = new ObjectSet();
  const unread = new Map<string, string>();
  try {
    let read = 0;
    const readKind = async (kind: KnownKind) => {
      try {
        await listKind(transport, kind, (object) => {
          objects.put(kind.kind, object);
          read += 1;
          if (read % 500 === 0) terminal.progress(`reading ${config.context}: ${read} objects`);
        });
      } catch (error) {
        unread.set(kind.kind, explained(error, kind, config.server));
        if (REQUIRED.has(kind.kind) || !(isForbidden(error) || isNotFound(error))) {
          throw new CliError(explained(error, kind, config.server));
        }
      }
    };
    terminal.progress(`reading ${config.context}`);
    await Promise.all(
      KNOWN_KINDS.filter(({ kind, listed }) => listed && kinds?.includes(kind) !== false).map(readKind),
    );
    if (objects.of('Pod').some(isOwnedByJob)) {
      await Promise.all(KNOWN_KINDS.filter(({ kind }) => kind === 'Job').map(readKind));
    }
    return { objects, unread, context: config.context, namespace: config.namespace };
  } finally {
    terminal.progress('');
    await transport.close();
  }
}

async function listKind(
  transport: Transport,
  kind: KnownKind,
  put: (object: KubeObject) => void,
): Promise<void> {
  const resource = new Resource(transport, kind);
  await listPages(
    {
      transport,
      path: resource.collection(),
      project: (raw) => put(project(raw, kind)),
      onPage: () => {},
    },
    new AbortController().signal,
  );
}

function project(raw: object, kind: KnownKind): KubeObject {
  if (kind.kind === 'Pod') return trimmedPod(raw);
  const object = trimmed(raw, kind);
  // A Job is read for its owner only: its template would stand for pods that are listed as such.
  return kind.kind === 'Job' ? { kind: kind.kind, metadata: object.metadata } : object;
}

/** Adds apiVersion and kind, which items of a list lack, and drops managedFields. */
function trimmed(raw: object, { kind, group, version }: KnownKind): KubeObject {
  const { metadata, ...rest } = raw as KubeObject;
  const { managedFields: _, ...kept } = metadata;
  return { ...rest, apiVersion: group === '' ? version : `${group}/${version}`, kind, metadata: kept };
}

function explained(error: unknown, { kind, plural }: KnownKind, server: string): string {
  if (!(error instanceof ApiError)) return errorMessage(error);
  const { status, message } = error;
  if (status === 403) {
    return (
      `you may not list ${plural} in all namespaces; ask for a ClusterRole with the verb list on ${plural}, ` +
      'or work on manifests (-f)'
    );
  }
  if (status === 404 && kind === KIND) {
    return 'the cluster has no SegmentationProfiles: install them with kubectl apply -k config/crd';
  }
  if (status === 401) {
    return `${server} does not accept your credentials; log in again, or choose another --context`;
  }
  if (status === 0) return `${server} can't be reached: ${message.replace(/^.*?: \w+: /, '')}`;
  return message;
}

function asCliError<T>(attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    throw new CliError(`${errorMessage(error)}; or work on manifests (-f)`);
  }
}
