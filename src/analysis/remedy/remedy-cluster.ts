/** The pods and policies of a cluster, indexed once for many remedies. Pure, but for caches of its own. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import { singleAddressCidr } from '../../policy/semantics/cidr.ts';
import type { Pod } from '../cluster.ts';
import { PolicyIndex } from '../model/policy-index.ts';

export class RemedyCluster {
  readonly #byNamespace: ReadonlyMap<string, readonly Pod[]>;
  readonly #policies: PolicyIndex;
  readonly #pods: readonly Pod[];
  #byAddress: ReadonlyMap<string, readonly Pod[]> | undefined;

  /** @param policies those in force */
  constructor(pods: readonly Pod[], policies: readonly NetworkPolicy[]) {
    this.#pods = pods;
    this.#byNamespace = Map.groupBy(pods, ({ namespace }) => namespace);
    this.#policies = new PolicyIndex({ namespaces: [], policies });
  }

  podsIn(namespace: string): readonly Pod[] {
    return this.#byNamespace.get(namespace) ?? [];
  }

  /** The pods that have the address of a block of one address, those on the host network too. */
  podsAt(cidr: string): readonly Pod[] {
    this.#byAddress ??= podsByAddress(this.#pods);
    return this.#byAddress.get(cidr) ?? [];
  }

  /** True if a policy selects the pod for this direction. */
  isIsolated(direction: PolicyType, pod: Pod): boolean {
    return this.#policies.selecting(direction, pod).length > 0;
  }
}

function podsByAddress(pods: readonly Pod[]): Map<string, Pod[]> {
  const found = new Map<string, Pod[]>();
  for (const pod of pods) {
    for (const cidr of new Set(pod.ips.flatMap((ip) => singleAddressCidr(ip) ?? []))) {
      const list = found.get(cidr);
      if (list === undefined) found.set(cidr, [pod]);
      else list.push(pod);
    }
  }
  return found;
}
