/** The fields that limits of `spec.workloads` read, as they are on the wire. Pure. */
import type { KubeObject } from '../../api/meta.ts';

export type Quantities = Readonly<Record<string, string | number>>;

interface Resources {
  readonly requests?: Quantities;
  readonly limits?: Quantities;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly resources?: Resources;
  readonly ports?: readonly { readonly hostPort?: number }[];
  readonly securityContext?: {
    readonly privileged?: boolean;
    readonly windowsOptions?: { readonly hostProcess?: boolean };
    readonly capabilities?: { readonly add?: readonly string[] };
  };
}

export interface Volume {
  readonly name: string;
  readonly image?: { readonly reference?: string };
  readonly hostPath?: object;
  readonly projected?: {
    readonly sources?: readonly { readonly serviceAccountToken?: { readonly audience?: string } }[];
  };
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  /** Resources of the pod as a whole. */
  readonly resources?: Resources;
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext?: { readonly windowsOptions?: { readonly hostProcess?: boolean } };
}

export interface Pod extends KubeObject {
  readonly spec: PodSpec;
}

export interface Service extends KubeObject {
  readonly spec: {
    readonly type?: string;
    readonly externalIPs?: readonly string[];
    readonly allocateLoadBalancerNodePorts?: boolean;
    readonly loadBalancerClass?: string;
    readonly loadBalancerSourceRanges?: readonly string[];
  };
}

export interface Ingress extends KubeObject {
  readonly spec: {
    readonly rules?: readonly { readonly host?: string }[];
    readonly defaultBackend?: object;
  };
}

/** A route of the Gateway API for hosts. */
export interface Route extends KubeObject {
  readonly spec?: { readonly hostnames?: readonly string[] };
}

/** Containers, then init containers, then ephemeral ones: the order of config/workloads. */
export function containersOf({
  containers,
  initContainers = [],
  ephemeralContainers = [],
}: PodSpec): Container[] {
  return [...containers, ...initContainers, ...ephemeralContainers];
}
