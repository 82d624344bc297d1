/** The fields of a PodSpec that checks read, as they are on the wire. */
import type { StringMap } from '../api/meta.ts';
import { GROUP } from '../api/names.ts';

/** Networks beside the pod network, as the Network Plumbing Working Group specifies them. */
export const ANNOTATION_NETWORKS = 'k8s.v1.cni.cncf.io/networks';

/** The network that takes the place of the pod network, by Multus. */
export const ANNOTATION_DEFAULT_NETWORK = 'v1.multus-cni.io/default-network';

export interface SecurityProfile {
  readonly type?: string;
}

export interface SELinuxOptions {
  readonly type?: string;
  readonly user?: string;
  readonly role?: string;
}

/** Fields that both the pod's and a container's security context have. */
export interface SharedSecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly seLinuxOptions?: SELinuxOptions;
  readonly seccompProfile?: SecurityProfile;
  readonly appArmorProfile?: SecurityProfile;
  readonly windowsOptions?: { readonly hostProcess?: boolean };
}

export interface PodSecurityContext extends SharedSecurityContext {
  readonly sysctls?: readonly { readonly name: string }[];
}

export interface SecurityContext extends SharedSecurityContext {
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly procMount?: string;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
}

export interface Handler {
  readonly httpGet?: { readonly host?: string };
  readonly tcpSocket?: { readonly host?: string };
}

export interface ContainerPortSpec {
  readonly name?: string;
  readonly containerPort: number;
  readonly hostPort?: number;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly imagePullPolicy?: string;
  readonly restartPolicy?: string;
  readonly ports?: readonly ContainerPortSpec[];
  readonly resources?: {
    readonly requests?: Readonly<Record<string, unknown>>;
    readonly limits?: Readonly<Record<string, unknown>>;
  };
  readonly securityContext?: SecurityContext;
  readonly livenessProbe?: Handler;
  readonly readinessProbe?: Handler;
  readonly startupProbe?: Handler;
  readonly lifecycle?: { readonly postStart?: Handler; readonly preStop?: Handler };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath?: string }[];
  /** The flags of command and arguments that AUDITED_FLAGS lists, each as `--flag=value`. */
  readonly flags?: readonly string[];
}

/** A volume: its name, and one field named after its source. */
export type Volume = { readonly name: string } & Readonly<Record<string, unknown>>;

export interface PodSpec {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly securityContext?: PodSecurityContext;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly hostUsers?: boolean;
  readonly os?: { readonly name?: string };
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly resources?: Container['resources'];
}

export type ContainerList = 'containers' | 'initContainers' | 'ephemeralContainers';
const CONTAINER_LISTS: readonly ContainerList[] = ['initContainers', 'containers', 'ephemeralContainers'];

export interface PlacedContainer {
  readonly container: Container;
  readonly list: ContainerList;
  /** Path within the PodSpec, such as `containers[web]`. */
  readonly path: string;
}

/** All containers of a pod: init containers and ephemeral ones too, as they have the same powers. */
export function containersOf(spec: PodSpec): PlacedContainer[] {
  return CONTAINER_LISTS.flatMap((list) =>
    (spec[list] ?? []).map((container) => ({ container, list, path: `${list}[${container.name}]` })),
  );
}

const SPEC_FIELDS = [
  'volumes',
  'securityContext',
  'hostNetwork',
  'hostPID',
  'hostIPC',
  'hostUsers',
  'os',
  'serviceAccountName',
  'automountServiceAccountToken',
  'resources',
] as const satisfies readonly (keyof PodSpec)[];

const CONTAINER_FIELDS = [
  'name',
  'image',
  'imagePullPolicy',
  'restartPolicy',
  'ports',
  'resources',
  'securityContext',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'volumeMounts',
] as const satisfies readonly (keyof Container)[];

/** Flags of the API server and of network plugins that tell what a cluster enforces. They hold no secret. */
const AUDITED_FLAGS: ReadonlySet<string> = new Set([
  '--disable-admission-plugins',
  '--enable-admission-plugins',
  '--enable-network-policy',
]);

interface Arguments {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
}

/** The audited flags of a container; undefined if it has none. */
function auditedFlags({ command = [], args = [] }: Arguments): readonly string[] | undefined {
  const all = [...command, ...args];
  const flags = all.flatMap((argument, index) => {
    const [flag = ''] = argument.split('=');
    if (!AUDITED_FLAGS.has(flag)) return [];
    return [argument.includes('=') ? argument : `${argument}=${all[index + 1] ?? ''}`];
  });
  return flags.length === 0 ? undefined : flags;
}

/**
 * A copy of a PodSpec with the fields that checks read: without environment variables, and without arguments but for
 * AUDITED_FLAGS.
 */
export function auditedSpec(spec: PodSpec): PodSpec {
  const containers = CONTAINER_LISTS.flatMap((list) => {
    const given = spec[list];
    if (given === undefined) return [];
    const kept = given.map((each): Container => {
      const flags = auditedFlags(each as Container & Arguments);
      return { ...picked(each, CONTAINER_FIELDS), ...(flags && { flags }) };
    });
    return [[list, kept] as const];
  });
  return { ...picked(spec, SPEC_FIELDS), ...Object.fromEntries(containers) };
}

function picked<T extends object, K extends keyof T>(object: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(
    keys.flatMap((key) => (object[key] === undefined ? [] : [[key, object[key]]])),
  ) as Pick<T, K>;
}

/** Annotations that an audit reads: of profiles of AppArmor and of this project, and those that name networks of a pod. */
const AUDITED_PREFIXES = ['container.apparmor.security.beta.kubernetes.io/', `${GROUP}/`];
const AUDITED_ANNOTATIONS: readonly string[] = [ANNOTATION_NETWORKS, ANNOTATION_DEFAULT_NETWORK];

/** The annotations that an audit reads. Undefined if there is none. */
export function auditedAnnotations(annotations: StringMap = {}): StringMap | undefined {
  const kept = Object.entries(annotations).filter(
    ([key]) => AUDITED_ANNOTATIONS.includes(key) || AUDITED_PREFIXES.some((prefix) => key.startsWith(prefix)),
  );
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}
