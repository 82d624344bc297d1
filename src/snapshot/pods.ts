/** Pods and their workloads: Pods of a cluster, or the pods that templates of workloads among manifests make. Pure. */
import type { KubeObject, OwnerReference, StringMap } from '../api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../api/names.ts';
import type { ContainerPort, Pod } from '../analysis/cluster.ts';
import { isRedirected, REDIRECTION } from '../engines/istio/membership.ts';
import type { ObjectSet } from './objects.ts';

/** The controller of pods as users know it: a Deployment, not its ReplicaSets. A Pod without controller is its own. */
export interface Workload {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface WorkloadPod extends Pod {
  readonly workload: Workload;
  readonly serviceAccount: string;
  /** True if this stands for all pods of its workload, of which there is a template and no pod. */
  readonly template: boolean;
  /** True if the pod is still to be created, or will be replaced. */
  readonly fresh: boolean;
  /** True if the ztunnel of the node carries its connections, by the annotation of istio-cni. */
  readonly isRedirected?: boolean;
  /** When the pod started, in milliseconds since 1970; absent if it has not, or its manifest does not say. */
  readonly startedAt?: number;
}

interface RawContainer {
  readonly ports?: readonly ContainerPort[];
  readonly restartPolicy?: string;
}

interface RawPodSpec {
  readonly containers?: readonly RawContainer[];
  readonly initContainers?: readonly RawContainer[];
  readonly hostNetwork?: boolean;
  readonly nodeName?: string;
  readonly serviceAccountName?: string;
}

interface RawPod extends KubeObject {
  readonly spec?: RawPodSpec;
  readonly status?: {
    readonly phase?: string;
    readonly startTime?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[] | null;
  };
}

interface RawTemplate {
  readonly metadata?: { readonly labels?: StringMap };
  readonly spec?: RawPodSpec;
}

interface RawWorkload extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: RawTemplate;
    readonly jobTemplate?: { readonly spec?: { readonly template?: RawTemplate } };
  };
}

const TEMPLATED = [
  'Deployment',
  'StatefulSet',
  'DaemonSet',
  'ReplicaSet',
  'ReplicationController',
  'CronJob',
  'Job',
] as const;

/** The key of a Pod's whole spec, for `audit` alone; the spec beside it has the fields that all commands need. */
export const AUDITED_SPEC = 'auditedSpec';

/** The key of a number beside a Pod that stands for several, equal but for names and addresses. */
export const POD_COUNT = 'podCount';

/** A Pod with only the fields that are read here, which keeps large clusters small in memory. */
export function trimmedPod(raw: object): KubeObject {
  const { metadata, spec = {}, status = {} } = raw as RawPod;
  const { name, namespace, labels, annotations = {}, ownerReferences, deletionTimestamp } = metadata;
  const redirection = annotations[REDIRECTION];
  const ports = (containers: readonly RawContainer[] = []) =>
    containers.map(({ ports, restartPolicy }) => ({
      ...(ports && { ports }),
      ...(restartPolicy && { restartPolicy }),
    }));
  const trimmed: RawPod = {
    kind: 'Pod',
    metadata: {
      name,
      ...(namespace && { namespace }),
      ...(labels && { labels }),
      ...(redirection !== undefined && { annotations: { [REDIRECTION]: redirection } }),
      ...(ownerReferences && { ownerReferences }),
      ...(deletionTimestamp && { deletionTimestamp }),
    },
    spec: {
      containers: ports(spec.containers),
      initContainers: ports(spec.initContainers),
      ...(spec.hostNetwork && { hostNetwork: true }),
      ...(spec.nodeName && { nodeName: spec.nodeName }),
      ...(spec.serviceAccountName && { serviceAccountName: spec.serviceAccountName }),
    },
    status: {
      ...(status.phase && { phase: status.phase }),
      ...(status.startTime && { startTime: status.startTime }),
      podIPs: status.podIPs ?? (status.podIP ? [{ ip: status.podIP }] : []),
    },
  };
  return trimmed;
}

/**
 * The pods of a set of objects. Finished pods have no network and are left out. The template of a workload stands for
 * one pod or, if pods of the workload exist, replaces their labels and ports.
 */
export function podsOf(objects: ObjectSet): WorkloadPod[] {
  const pods = objects
    .of<RawPod>('Pod')
    .filter((pod) => !isFinished(pod))
    .map((pod) => podOf(pod, objects));
  const byWorkload = Map.groupBy(pods, ({ workload }) => workloadKey(workload));
  const made = new Map<string, WorkloadPod>();
  for (const kind of TEMPLATED) {
    for (const object of objects.of<RawWorkload>(kind)) {
      const pod = templatePod(kind, object);
      if (pod !== undefined) made.set(workloadKey(pod.workload), pod);
    }
  }
  const living = pods.map((pod) => {
    const template = made.get(workloadKey(pod.workload));
    if (template === undefined) return pod;
    const { labels, ports, hostNetwork, serviceAccount } = template;
    return {
      ...pod,
      fresh: true,
      labels,
      serviceAccount,
      ...(ports && { ports }),
      ...(hostNetwork && { hostNetwork }),
    };
  });
  return [...living, ...[...made].filter(([key]) => !byWorkload.has(key)).map(([, pod]) => pod)];
}

/** Adds the account label that the API server sets on new pods in `namespaces` (config/service-accounts). */
export function labelledByAccount(
  pods: readonly WorkloadPod[],
  namespaces: ReadonlySet<string>,
): WorkloadPod[] {
  return pods.map((pod) => {
    if (!pod.fresh || !namespaces.has(pod.namespace)) return pod;
    const { [LABEL_SERVICE_ACCOUNT]: _, ...others } = pod.labels;
    const label: StringMap =
      pod.serviceAccount.length > 63 ? {} : { [LABEL_SERVICE_ACCOUNT]: pod.serviceAccount };
    return { ...pod, labels: { ...others, ...label } };
  });
}

export function workloadKey({ kind, namespace, name }: Workload): string {
  return `${namespace}/${kind}/${name}`;
}

function podOf(raw: RawPod, objects: ObjectSet): WorkloadPod {
  const { name, namespace = '', labels = {}, annotations = {} } = raw.metadata;
  const { spec = {}, status = {} } = raw;
  const startedAt = Date.parse(status.startTime ?? '');
  const ips = status.podIPs?.map(({ ip }) => ip) ?? (status.podIP ? [status.podIP] : []);
  return {
    namespace,
    name,
    labels: texts(labels),
    ips,
    ...networkOf(spec),
    ...(isRedirected(annotations) && { isRedirected: true }),
    ...(spec.nodeName && { node: spec.nodeName }),
    workload: workloadOf(raw, objects),
    template: false,
    // A Pod of a cluster has a phase; a manifest has none.
    fresh: status.phase === undefined,
    ...(!Number.isNaN(startedAt) && { startedAt }),
  };
}

function templatePod(kind: string, object: RawWorkload): WorkloadPod | undefined {
  const { name, namespace = '' } = object.metadata;
  const { spec = {} } = object;
  const template = kind === 'CronJob' ? spec.jobTemplate?.spec?.template : spec.template;
  if (template === undefined || spec.replicas === 0) return undefined;
  // The template of its controller stands for it.
  if (controllerOf(object.metadata) !== undefined) return undefined;
  return {
    namespace,
    name,
    labels: texts(template.metadata?.labels ?? {}),
    ips: [],
    ...networkOf(template.spec ?? {}),
    workload: { kind, namespace, name },
    template: true,
    fresh: true,
  };
}

function networkOf(spec: RawPodSpec): Pick<WorkloadPod, 'ports' | 'hostNetwork' | 'serviceAccount'> {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const ports = [...(spec.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
    ports.map(({ name, containerPort, protocol }) => ({
      ...(name && { name }),
      containerPort,
      ...(protocol && { protocol }),
    })),
  );
  return {
    ...(ports.length > 0 && { ports }),
    ...(spec.hostNetwork === true && { hostNetwork: true }),
    serviceAccount: spec.serviceAccountName || 'default',
  };
}

/**
 * The workload of a Pod. A Deployment gives its ReplicaSets its own name and the hash of the template. Names of Jobs
 * prove nothing: only the owner of the Job says that it is a CronJob's.
 */
function workloadOf({ metadata }: RawPod, objects: ObjectSet): Workload {
  const { name, namespace = '', labels = {} } = metadata;
  const owner = controllerOf(metadata);
  // The kubelet's static pods are owned by their node, which is no workload.
  if (owner === undefined || owner.kind === 'Node') return { kind: 'Pod', namespace, name };
  const hash = labels['pod-template-hash'];
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    return { kind: 'Deployment', namespace, name: owner.name.slice(0, -hash.length - 1) };
  }
  const cronJob = owner.kind === 'Job' ? cronJobOf(objects.get('Job', owner.name, namespace)) : undefined;
  return { kind: cronJob?.kind ?? owner.kind, namespace, name: cronJob?.name ?? owner.name };
}

function cronJobOf(job: KubeObject | undefined): OwnerReference | undefined {
  const owner = job && controllerOf(job.metadata);
  return owner?.kind === 'CronJob' ? owner : undefined;
}

/** The owner that controls an object; undefined if it has none. */
export function controllerOf({ ownerReferences }: KubeObject['metadata']): OwnerReference | undefined {
  return ownerReferences?.find(({ controller }) => controller === true);
}

/** True if the Pod has ended, so that it has no network. */
export function isFinished({ status }: RawPod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** True if a Job owns the Pod, so that only the Job says which workload the Pod belongs to. */
export function isOwnedByJob({ metadata }: KubeObject): boolean {
  return controllerOf(metadata)?.kind === 'Job';
}

/** A manifest may hold numbers and booleans where labels are; the API server would refuse them. */
function texts(labels: Readonly<Record<string, unknown>>): StringMap {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)]));
}
