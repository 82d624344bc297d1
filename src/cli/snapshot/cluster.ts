/** Reads from a cluster the objects that commands need, page by page and trimmed. Never writes. */
import type { KubeObject } from '../../api/meta.ts';
import { KIND } from '../../api/names.ts';
import { detect, type EngineVerdict } from '../../engines/detection/detect.ts';
import { gatherEvidence } from '../../engines/detection/gather.ts';
import { SIGNATURES } from '../../engines/signatures.ts';
import { configMapName, injectorOf, isInjector, type RawInjector } from '../../engines/istio/evidence.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { AccountFailure } from '../../policy/facts.ts';
import { loadKubeConfig } from '../../kube/config/load.ts';
import { daemonSetState } from '../../kube/daemon-sets.ts';
import { servedGroups, servedVersions, serverVersion } from '../../kube/discovery.ts';
import { ApiError, isForbidden, isNotFound } from '../../kube/errors.ts';
import { listPages } from '../../kube/watch/list.ts';
import { Resource } from '../../kube/resource.ts';
import { createTransport, type Transport } from '../../kube/http/transport.ts';
import { CONTROLLER_REVISIONS } from '../../rollout/recorded.ts';
import { CliError } from '../shell/failure.ts';
import { accountLabelFailure } from './account-labels.ts';
import type { Terminal } from '../shell/terminal.ts';
import {
  AUDIT_KINDS,
  CONFIG_MAP,
  KNOWN_KINDS,
  type KnownKind,
  newestFirst,
  ObjectSet,
} from '../../snapshot/objects.ts';
import { isOwnedByJob } from '../../snapshot/pods.ts';
import { Projection } from '../../snapshot/projection.ts';
import { isInForceAsItIs, REVISION_KIND } from '../../snapshot/revisions.ts';
import { errorMessage } from '../../util/error-message.ts';
import { shortList } from '../../util/list-text.ts';

export interface ClusterOptions {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** Kinds to read; all known kinds if absent. */
  readonly kinds?: readonly string[];
  /** Kinds to read besides, of which a cluster may have none. */
  readonly further?: readonly KnownKind[];
  /** True to look for the network engine, as the operator does. */
  readonly findsEngine?: boolean;
  /** True to read the configuration of the mesh too. */
  readonly readsMesh?: boolean;
  /** True to read what `audit` needs too: its kinds, and the specs of pods. */
  readonly forAudit?: boolean;
  /** The namespace that has the recorded revisions of profiles. */
  readonly operatorNamespace: string;
}

export interface ClusterObjects {
  readonly objects: ObjectSet;
  /** Kinds that could not be read, with the reason. */
  readonly unread: ReadonlyMap<string, string>;
  /** True if the recorded revisions of profiles are among the objects, or no profile has any. */
  readonly knowsRevisions: boolean;
  /** The network engine that was found; undefined if nobody asked. */
  readonly engine: EngineVerdict | undefined;
  /** Why the API server does not label pods with their ServiceAccount; undefined if it does, or nobody asked. */
  readonly accountFailure: AccountFailure | undefined;
  /** The version that the API server tells; undefined if it tells none, or nobody asked. */
  readonly serverVersion: string | undefined;
  readonly context: string;
  /** Default namespace of the context. */
  readonly namespace: string | undefined;
}

/** The kinds of Calico's policies. */
const CALICO_POLICIES = ['CalicoNetworkPolicy', 'GlobalNetworkPolicy'];

/** Kinds without which no command can answer. Without another kind, some peers are unresolved. */
const REQUIRED = new Set(['Namespace', 'NetworkPolicy', 'Pod']);

/** @throws CliError if the cluster can't be reached, or a required kind can't be listed */
export async function readCluster(options: ClusterOptions, terminal: Terminal): Promise<ClusterObjects> {
  const { kubeconfig, context, env, version, kinds, forAudit = false } = options;
  const config = await asCliError(loadKubeConfig({ kubeconfig, context, env }));
  const transport = createTransport(config, {
    userAgent: `kubectl-segmentation/${version} (${process.platform}/${process.arch})`,
    env,
  });
  const objects = new ObjectSet();
  const unread = new Map<string, string>();
  const readKinds = new Set<string>();
  const projection = new Projection(forAudit);
  const further = [...new Set([...(forAudit ? AUDIT_KINDS : []), ...(options.further ?? [])])];
  try {
    let read = 0;
    /** Resolves with false if the cluster does not serve the kind by this version. */
    const readKind = async (kind: KnownKind): Promise<boolean> => {
      try {
        await listKind(transport, kind, (raw) => {
          objects.put(kind.kind, projection.of(raw, kind));
          read += 1;
          if (read % 500 === 0) terminal.progress(`reading ${config.context}: ${read} objects`);
        });
        readKinds.add(kind.kind);
      } catch (error) {
        // A cluster without the Gateway API, or without the operator, has no object of these kinds.
        if (isNotFound(error) && (further.includes(kind) || (forAudit && kind.kind === KIND))) return false;
        unread.set(kind.kind, explained(error, kind, config.server));
        if (REQUIRED.has(kind.kind) || !(isForbidden(error) || isNotFound(error))) {
          throw new CliError(explained(error, kind, config.server));
        }
      }
      return true;
    };
    const readNewest = async (versions: readonly KnownKind[]) => {
      for (const kind of versions) if (await readKind(kind)) return;
    };
    terminal.progress(`reading ${config.context}`);
    const isServed = further.length > 0 ? await servedVersions(transport) : () => true;
    const wanted = [...KNOWN_KINDS, ...further.filter(isServed)].filter(
      (each) => each.listed && (kinds?.includes(each.kind) !== false || further.includes(each)),
    );
    await Promise.all(newestFirst(wanted).map(readNewest));
    // Only Calico's policies select by accounts.
    if (!forAudit && CALICO_POLICIES.some((kind) => objects.of(kind).length > 0))
      await Promise.all(AUDIT_KINDS.filter(({ kind }) => kind === 'ServiceAccount').map(readKind));
    keepUnread(unread, readKinds, terminal);
    if (objects.of('Pod').some(isOwnedByJob)) {
      await Promise.all(KNOWN_KINDS.filter(({ kind }) => kind === 'Job').map(readKind));
    }
    if (options.readsMesh === true) await readMeshConfigurations(transport, objects, unread);
    const { context: name, namespace } = config;
    const rest = await readRest(transport, objects, { options, terminal });
    return { objects, unread, ...rest, context: name, namespace };
  } finally {
    terminal.progress('');
    await transport.close();
  }
}

/** Reads what commands ask for beside the objects of the kinds. */
async function readRest(
  transport: Transport,
  objects: ObjectSet,
  { options, terminal }: { readonly options: ClusterOptions; readonly terminal: Terminal },
): Promise<Omit<ClusterObjects, 'objects' | 'unread' | 'context' | 'namespace'>> {
  const { kinds, forAudit = false, findsEngine = false, operatorNamespace } = options;
  // An audit reads policies as they are, and completion only names.
  const compiles = !forAudit && kinds === undefined;
  const [knowsRevisions, engine, accountFailure, version] = await Promise.all([
    compiles && readRevisions(transport, objects, operatorNamespace, terminal),
    findsEngine ? findEngine(transport) : undefined,
    compiles ? accountLabelFailure(transport) : undefined,
    forAudit ? serverVersion(transport) : undefined,
  ]);
  return { knowsRevisions, engine, accountFailure, serverVersion: version };
}

/** Looks for the network engine by the traces that the operator goes by. */
async function findEngine(transport: Transport): Promise<EngineVerdict> {
  const evidence = await gatherEvidence(SIGNATURES, {
    groups: () => servedGroups(transport),
    agent: (name) => daemonSetState(transport, name),
  });
  return detect('Auto', evidence);
}

/** Leaves out kinds that another API group serves too, with the same objects, and that were read there: those of Calico. */
function keepUnread(unread: Map<string, string>, readKinds: ReadonlySet<string>, terminal: Terminal): void {
  const elsewhere = [...unread.keys()].filter((kind) => readKinds.has(kind)).sort();
  for (const kind of elsewhere) {
    terminal.note(`${kind} was read from one of its API groups, which has all objects: ${unread.get(kind)}`);
    unread.delete(kind);
  }
}

/** Reads the mesh configuration of each istiod that injects sidecars. */
async function readMeshConfigurations(
  transport: Transport,
  objects: ObjectSet,
  unread: Map<string, string>,
): Promise<void> {
  const maps = new Resource<KubeObject>(transport, CONFIG_MAP);
  for (const raw of objects.of<RawInjector>('MutatingWebhookConfiguration')) {
    const { service, revision } = injectorOf(raw);
    if (service === undefined || !isInjector(raw)) continue;
    const name = configMapName(revision);
    try {
      objects.put(CONFIG_MAP.kind, await maps.get(name, service.namespace));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      unread.set(
        CONFIG_MAP.kind,
        `ConfigMap ${service.namespace}/${name} with Istio's mesh configuration can't be read: ${error.message}`,
      );
    }
  }
}

/**
 * Reads the recorded revisions of profiles, if a rollout of one is not complete.
 *
 * @returns false, after a warning, if they can't be read
 */
async function readRevisions(
  transport: Transport,
  objects: ObjectSet,
  namespace: string,
  terminal: Terminal,
): Promise<boolean> {
  const names = objects
    .of<SegmentationProfile>(KIND)
    .filter((profile) => !isInForceAsItIs(profile))
    .map(({ metadata }) => metadata.name);
  if (names.length === 0) return true;
  const resource = new Resource(transport, CONTROLLER_REVISIONS);
  try {
    // Their owners tell them, as somebody may have removed the labels of one.
    const { items } = await resource.listAll({ namespace });
    for (const each of items) objects.put(REVISION_KIND, each);
    return true;
  } catch (error) {
    if (!isForbidden(error)) throw new CliError(errorMessage(error));
    terminal.warn(
      `you may not list controllerrevisions in namespace ${namespace}, so the rollouts of ${shortList(names)} are not known: ` +
        'every namespace is shown with the latest revision',
    );
    return false;
  }
}

async function listKind(transport: Transport, kind: KnownKind, put: (raw: object) => void): Promise<void> {
  if (kind.kind === 'Secret') return listTokenSecrets(transport, kind, put);
  const resource = new Resource(transport, kind);
  await listPages(
    { transport, path: resource.collection(), project: put, onPage: () => {} },
    new AbortController().signal,
  );
}

/** The metadata of Secrets with long-lived tokens. No data of a Secret is ever read. */
async function listTokenSecrets(
  transport: Transport,
  kind: KnownKind,
  put: (raw: object) => void,
): Promise<void> {
  const type = 'kubernetes.io/service-account-token';
  const resource = new Resource(transport, kind);
  const { items } = await resource.listAll({ metadataOnly: true, fieldSelector: `type=${type}` });
  for (const item of items) put({ ...item, type });
}

function explained(
  error: unknown,
  { kind, plural: name, group, wireKind }: KnownKind,
  server: string,
): string {
  // The plural name alone would be that of another kind.
  const plural = wireKind === undefined ? name : `${name}.${group}`;
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

async function asCliError<T>(attempt: Promise<T>): Promise<T> {
  try {
    return await attempt;
  } catch (error) {
    throw new CliError(`${errorMessage(error)}; or work on manifests (-f)`);
  }
}
