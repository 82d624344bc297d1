/** Reads the NetworkPolicies of others, and compares them with a guard. Reads only. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import { LABEL_MANAGED_BY, MANAGER } from '../../api/names.ts';
import type { RestrictedPolicy, SegmentationProfile } from '../../api/profile.ts';
import { NETWORK_POLICIES } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { GuardCarrier } from '../../engines/guards/carrier.ts';
import { Resource } from '../../kube/resource.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Guard } from '../../policy/guard/guard.ts';
import { restrictedPolicies } from '../../policy/guard/restricted.ts';
import { selectedNamespaces } from './inputs.ts';

export interface ForeignPoliciesOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly carrier: GuardCarrier;
}

export class ForeignPolicies {
  readonly #options: ForeignPoliciesOptions;
  readonly #policies: Resource<NetworkPolicy>;

  constructor(options: ForeignPoliciesOptions) {
    this.#options = options;
    this.#policies = new Resource(options.transport, NETWORK_POLICIES);
  }

  /**
   * The foreign policies in the profile's namespaces of which the guard denies something.
   *
   * @param directions those in which the guard denies
   * @throws ApiError
   */
  async restricted(
    profile: SegmentationProfile,
    guard: Guard,
    directions: ReadonlySet<PolicyType>,
    signal: AbortSignal,
  ): Promise<RestrictedPolicy[]> {
    const { clusterState, carrier } = this.#options;
    const namespaces = new Set(selectedNamespaces(profile, clusterState).map(({ key }) => key));
    if (namespaces.size === 0 || directions.size === 0) return [];
    // The cache keeps no peers of foreign policies. The API server leaves out the own ones, which are many.
    const labelSelector = `${LABEL_MANAGED_BY}!=${MANAGER}`;
    const { items } = await this.#policies.listAll({ labelSelector, signal });
    const foreign = items.filter(
      (policy) =>
        namespaces.has(policy.metadata.namespace ?? '') && clusterState.ownerOfPolicy(policy) === undefined,
    );
    const { deniesAddressSources } = carrier;
    return restrictedPolicies(guard, foreign, { directions, deniesAddressSources });
  }
}
