/** The fields that limits of `spec.workloads` read, as they are on the wire. Pure. */
import type { KubeObject } from '../../api/meta.ts';

export interface Container {
  readonly name: string;
  readonly image?: string;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
  readonly volumes?: readonly {
    readonly name: string;
    readonly image?: { readonly reference?: string };
  }[];
}

export interface Pod extends KubeObject {
  readonly spec: PodSpec;
}

/** Containers, then init containers, then ephemeral ones: the order of config/workloads. */
export function containersOf({
  containers,
  initContainers = [],
  ephemeralContainers = [],
}: PodSpec): Container[] {
  return [...containers, ...initContainers, ...ephemeralContainers];
}
