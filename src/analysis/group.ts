/** Groups of pods, between which flows are compared: workloads, namespaces, or blocks of addresses. Pure. */

/** The workload or namespace to which a pod is counted, or a block of addresses. */
export interface GroupName {
  /** Absent for addresses. */
  readonly namespace?: string;
  /** Deployment, Pod, Namespace, ... */
  readonly kind: string;
  readonly name: string;
}

/** Equal for equal groups. Keys sort by namespace, then by name. */
export function groupKey({ namespace = '', name, kind }: GroupName): string {
  return JSON.stringify([namespace, name, kind]);
}
