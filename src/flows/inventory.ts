/** The objects of a cluster that ends of observed flows are mapped to. */
import type { Pod } from '../analysis/cluster.ts';
import type { Protocol } from '../api/network-policy.ts';
import type { StringMap } from '../api/meta.ts';
import type { EndpointFacts } from '../policy/facts.ts';

export interface FlowWorkload {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface InventoryPod extends Pod {
  readonly workload: FlowWorkload;
  /** True if this stands for all pods of its workload, and no pod has its name. */
  readonly template: boolean;
  /** When the pod started, in milliseconds since 1970: before, its addresses were another pod's. Absent if unknown. */
  readonly startedAt?: number;
}

export interface InventoryService {
  readonly namespace: string;
  readonly name: string;
  /** Absent or empty: the Service has no selector. */
  readonly selector?: StringMap;
  readonly ports: readonly {
    readonly protocol?: Protocol;
    readonly port: number;
    readonly targetPort?: number | string;
  }[];
  readonly clusterIPs: readonly string[];
  /** The addresses behind a Service without selector, such as those of the API server. */
  readonly endpoints: readonly EndpointFacts[];
  /** Addresses outside of the cluster, such as that of its load balancer. */
  readonly external: readonly { readonly ip: string; readonly isProxied: boolean }[];
}

export interface Inventory {
  readonly pods: readonly InventoryPod[];
  readonly services: readonly InventoryService[];
  readonly nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** The ranges of pods and of Services, as far as they are known. */
  readonly clusterRanges: readonly string[];
}
