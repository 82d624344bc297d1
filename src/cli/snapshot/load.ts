/** Loads the snapshot that a command's flags choose: the cluster, manifests, or manifests over the cluster. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { OUTSIDE } from '../../canary/model/names.ts';
import type { SegmentationException } from '../../api/exception.ts';
import { EXCEPTION_KIND, LABEL_NAMESPACE_NAME } from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { type Options, OptionsError } from '../../options/options.ts';
import { parseOptions } from '../../options/parse.ts';
import { CliError } from '../shell/failure.ts';
import type { Flag, Flags } from '../shell/flags.ts';
import type { ClusterObjects } from './cluster.ts';
import { assumedNamespace, type Manifests, readManifests } from './manifests.ts';
import {
  AUDIT_KINDS,
  CONFIG_MAP,
  EXCEPTIONS,
  type KnownKind,
  LAYER_KNOWN_KINDS,
  ObjectSet,
} from '../../snapshot/objects.ts';
import { MANIFESTS } from '../../snapshot/input.ts';
import { Snapshot } from '../../snapshot/snapshot.ts';
import type { Process, Terminal } from '../shell/terminal.ts';
import { version } from '../../util/version.ts';
import { counted, shortList } from '../../util/list-text.ts';

/** Flags that choose manifests. */
export const SOURCE_FLAGS: readonly Flag[] = [
  {
    name: 'filename',
    short: 'f',
    value: 'PATH',
    repeated: true,
    completes: 'files',
    help: 'read manifests: a file, a directory with all below it, or - for standard input',
  },
  {
    name: 'kustomize',
    short: 'k',
    value: 'DIR',
    repeated: true,
    completes: 'directories',
    help: 'read the output of kubectl kustomize for a directory',
  },
  { name: 'cluster', help: 'lay the manifests over the cluster, as if they were applied' },
];

/** Flags that choose a cluster and describe its operator. */
export const CLUSTER_FLAGS: readonly Flag[] = [
  {
    name: 'kubeconfig',
    value: 'FILE',
    completes: 'files',
    help: 'how to reach the API server [KUBECONFIG, ~/.kube/config]',
  },
  {
    name: 'context',
    value: 'NAME',
    completes: 'contexts',
    help: 'context of the kubeconfig [its current context]',
  },
  {
    name: 'config',
    value: 'FILE',
    completes: 'files',
    help: "the operator's configuration file (clusterDNS, engine ...), if it has one",
  },
  {
    name: 'operator-namespace',
    value: 'NAME',
    completes: 'namespaces',
    help: 'where the operator runs; it is never segmented [segmentation-system]',
  },
];

/** Taken by the commands whose verdicts go by all kinds of policies. */
export const ONLY_NETWORK_POLICIES: Flag = {
  name: 'only-network-policies',
  help: 'judge by NetworkPolicies alone, as if there were no policies of other kinds',
};

const OPERATOR_NAMESPACE = 'segmentation-system';

export interface LoadInput {
  readonly flags: Flags;
  /** Value of -n: the namespace of names without one. */
  readonly namespace: string | undefined;
  readonly process: Process;
  readonly terminal: Terminal;
  /** True to read the policies of network engines and of the mesh too. */
  readonly forLayers?: boolean;
  /** True to read what `audit` needs too: further kinds, and the specs of pods. */
  readonly forAudit?: boolean;
}

/** Loads the snapshot, and writes assumptions as notes. @throws CliError */
export async function load(input: LoadInput): Promise<Snapshot> {
  const { flags } = input;
  const given = flags.has('filename') || flags.has('kustomize');
  if (flags.has('cluster') && !given) {
    throw new CliError(
      '--cluster lays manifests over the cluster: name them with -f or -k, or leave --cluster out',
    );
  }
  if (!given) return loadCluster(input);
  if (flags.has('cluster')) return loadOverlay(input);
  for (const name of ['context', 'kubeconfig']) {
    if (flags.has(name))
      throw new CliError(`with -f or -k no cluster is read: add --cluster, or leave --${name} out`);
  }
  return loadManifests(input, flags.all('filename'), flags.all('kustomize'));
}

/** The cluster as it is. @param kinds only these kinds are read; all if absent */
export async function loadCluster(input: LoadInput, kinds?: readonly string[]): Promise<Snapshot> {
  const cluster = await readClusterOf(input, kinds);
  return createSnapshot(input, { objects: cluster.objects, cluster, isObserved: true });
}

/** The cluster that manifests describe. */
export async function loadManifests(
  input: LoadInput,
  files: readonly string[],
  kustomizations: readonly string[] = [],
): Promise<Snapshot> {
  const namespace = input.namespace ?? 'default';
  const further = furtherKinds(input);
  const manifests = await readManifests({ files, kustomizations, namespace, further }, input.process);
  noteAssumptions(manifests, input, namespace);
  return createSnapshot(input, {
    objects: complete(manifests),
    exceptions: exceptionsOf(manifests.objects),
    assumed: manifests.assumed,
    isObserved: false,
  });
}

function exceptionsOf(objects: ObjectSet): SegmentationException[] {
  return objects.of<SegmentationException>(EXCEPTION_KIND);
}

/** The cluster as it would be with the manifests applied and every profile enforced. */
export async function loadOverlay(input: LoadInput, cluster?: ClusterObjects): Promise<Snapshot> {
  const { flags } = input;
  const base = cluster ?? (await readClusterOf(input));
  const namespace = input.namespace ?? base.namespace ?? 'default';
  const sources = {
    files: flags.all('filename'),
    kustomizations: flags.all('kustomize'),
    namespace,
    further: furtherKinds(input),
  };
  const manifests = await readManifests(sources, input.process);
  const missing = manifests.assumed.filter((name) => base.objects.get('Namespace', name) === undefined);
  const known = { ...manifests, assumed: missing };
  noteAssumptions(known, input, namespace);
  const applied = withLiveIdentity(complete(known), base.objects);
  const objects = base.objects.with(applied);
  const exceptions = exceptionsOf(applied);
  return createSnapshot(input, { objects, exceptions, assumed: missing, cluster: base, isObserved: false });
}

function furtherKinds(input: LoadInput): readonly KnownKind[] {
  const { forAudit = false } = input;
  const ofMesh = readsMesh(input) ? [CONFIG_MAP] : [];
  return [...new Set([...(forAudit ? AUDIT_KINDS : [EXCEPTIONS]), ...layerKinds(input), ...ofMesh])];
}

/** True if the mesh's configuration matters: for policies of the mesh, or as the file of --config names one. */
function readsMesh(input: LoadInput): boolean {
  return layerKinds(input).length > 0 || operatorConfiguration(input, new ObjectSet()).mesh !== 'None';
}

function layerKinds({ forLayers = false, flags }: LoadInput): readonly KnownKind[] {
  return forLayers && !flags.has(ONLY_NETWORK_POLICIES.name) ? LAYER_KNOWN_KINDS : [];
}

/** Reads the objects of the cluster that the flags choose. */
export async function readClusterOf(input: LoadInput, kinds?: readonly string[]): Promise<ClusterObjects> {
  const { flags, process, terminal, forAudit = false } = input;
  const options = {
    kubeconfig: flags.get('kubeconfig'),
    context: flags.get('context'),
    env: process.env,
    version,
    ...(kinds && { kinds }),
    further: layerKinds(input),
    readsMesh: readsMesh(input),
    findsEngine: operatorConfiguration(input, new ObjectSet()).engine === 'Auto',
    forAudit,
    operatorNamespace: flags.get('operator-namespace') ?? OPERATOR_NAMESPACE,
  };
  // Loaded on demand: the API client is most of the program, and manifests do not need it.
  const { readCluster } = await import('./cluster.ts');
  return readCluster(options, terminal);
}

interface SnapshotSource {
  readonly objects: ObjectSet;
  /** The exceptions of manifests. */
  readonly exceptions?: readonly SegmentationException[];
  /** Namespaces without a manifest. */
  readonly assumed?: readonly string[];
  /** The cluster that was read, if any. */
  readonly cluster?: ClusterObjects;
  /** True if the policies are those of the cluster; false if they follow from the profiles. */
  readonly isObserved: boolean;
}

export function createSnapshot(
  input: LoadInput,
  { objects, exceptions = [], assumed = [], cluster, isObserved }: SnapshotSource,
): Snapshot {
  const { cluster: configuration, engine, ...settings } = operatorConfiguration(input, objects);
  const found = cluster?.engine;
  if (found?.engine === 'Unknown')
    input.terminal.note(`which network engine runs is not clear: ${found.message}`);
  const snapshot = new Snapshot({
    objects,
    assumed,
    unread: cluster?.unread ?? new Map(),
    serverVersion: cluster?.serverVersion,
    accountFailure: cluster?.accountFailure,
    configuration,
    ...settings,
    engine: found === undefined || found.engine === 'Unknown' ? engine : found.engine,
    readsExtensions: layerKinds(input).length > 0 && cluster !== undefined,
    origin: cluster === undefined ? MANIFESTS : `context ${cluster.context}`,
    isObserved,
    knowsRevisions: cluster?.knowsRevisions ?? false,
    namespace: input.namespace ?? cluster?.namespace ?? 'default',
    exceptions: { exceptions, now: Date.now() },
  });
  for (const { isWarning, text } of snapshot.exceptionRemarks()) {
    if (isWarning) input.terminal.warn(text);
    else input.terminal.note(text);
  }
  return snapshot;
}

/** The objects of the manifests, together with the namespaces that they assume. */
function complete({ objects, assumed }: Manifests): ObjectSet {
  const namespaces = new ObjectSet();
  for (const name of assumed) namespaces.put('Namespace', assumedNamespace(name));
  // The API server labels each namespace with its name.
  for (const namespace of objects.of('Namespace')) {
    const { metadata } = namespace;
    const labels = { ...metadata.labels, [LABEL_NAMESPACE_NAME]: metadata.name };
    namespaces.put('Namespace', { ...namespace, metadata: { ...metadata, labels } });
  }
  return objects.with(namespaces);
}

/** Gives each manifest the identity of the object that it would update: policies are owned by uid. */
function withLiveIdentity(manifests: ObjectSet, live: ObjectSet): ObjectSet {
  const result = new ObjectSet();
  for (const [kind, object] of manifests.entries()) {
    const { name, namespace } = object.metadata;
    const { uid, resourceVersion, generation } = live.get(kind, name, namespace)?.metadata ?? {};
    const identity = {
      ...(uid && { uid }),
      ...(resourceVersion && { resourceVersion }),
      ...(generation && { generation }),
    };
    result.put(kind, { ...object, metadata: { ...object.metadata, ...identity } });
  }
  return result;
}

function noteAssumptions(
  { objects, assumed, defaulted, warnings }: Manifests,
  { terminal, flags }: LoadInput,
  namespace: string,
): void {
  for (const warning of warnings) terminal.warn(warning);
  if (objects.size === 0) {
    const named = [...flags.all('filename'), ...flags.all('kustomize')].join(', ');
    throw new CliError(
      `${named}: no object of a kind that matters here (profiles, namespaces, workloads, services, policies)`,
    );
  }
  if (defaulted)
    terminal.note(`objects without a namespace are taken to be in ${namespace} (-n NAME for another)`);
  // The namespace default is there in every cluster, and usually has no other label.
  const unknown = assumed.filter((name) => name !== 'default');
  if (unknown.length > 0) {
    terminal.note(
      `there is no manifest of ${counted(unknown.length, 'namespace')} (${shortList(unknown)}): only the name is known, no other label`,
    );
  }
}

/** True if the operator has written into the status of a profile what its canary shows. */
function readsCanary(objects: ObjectSet): boolean {
  return objects
    .of<SegmentationProfile>('SegmentationProfile')
    .flatMap(({ status }) => status?.conditions ?? [])
    .some(({ type, reason }) => type === 'EnforcementVerified' && reason !== 'NoCanary');
}

/** The parts of the operator's configuration that policies depend on. */
function operatorConfiguration(
  { flags, process }: LoadInput,
  objects: ObjectSet,
): Pick<Options, 'cluster' | 'protectedNamespaces' | 'engine' | 'guard' | 'mesh'> {
  const path = flags.get('config');
  const own = flags.get('operator-namespace') ?? OPERATOR_NAMESPACE;
  try {
    const parsed = parseOptions({
      argv: path === undefined ? [] : [`--config=${path}`],
      env: {},
      readFile: (file) => readFileSync(resolve(process.cwd, file), 'utf8'),
      version,
    });
    if (parsed.kind !== 'options') throw new TypeError(`unexpected ${parsed.kind}`);
    const { cluster, protectedNamespaces, canary, engine, guard, mesh } = parsed.options;
    const further = canary || readsCanary(objects) ? [own, OUTSIDE] : [own];
    return { cluster, engine, guard, mesh, protectedNamespaces: [...protectedNamespaces, ...further] };
  } catch (error) {
    if (error instanceof OptionsError) throw new CliError(error.problems.join('\n'));
    throw error;
  }
}
