/**
 * The namespaces whose pods have to be labelled with their ServiceAccount: namespaces that profiles name in such a peer,
 * and namespaces where a policy relies on the label, whoever created it. A namespace is dropped only after a grace period
 * and by live lists (I4).
 */
import { LABEL_MANAGED_BY, MANAGER } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { Resource } from '../../kube/resource.ts';
import { labelledFor, reliedOn } from '../../policy/admission/accounts.ts';
import type { Clock } from '../../util/clock.ts';

export interface LabelledNamespacesOptions {
  readonly clusterState: Pick<ClusterState, 'profiles' | 'policies'>;
  readonly profiles: Resource<SegmentationProfile>;
  readonly policies: Resource<NetworkPolicy>;
  readonly clock: Clock;
}

export interface NeededNamespaces {
  /** Namespaces that the bindings have to cover. */
  readonly desired: ReadonlySet<string>;
  /** Namespaces that stay covered if they are. */
  readonly reliedOn: ReadonlySet<string>;
}

/** A namespace that nothing needs stays covered for so long, because a reconcile may be about to rely on it. */
const GRACE_MS = 5_000;

export class LabelledNamespaces {
  readonly #options: LabelledNamespacesOptions;
  /** By covered namespace that nothing needs: when that was found first, in monotonic milliseconds. */
  readonly #unneededSince = new Map<string, number>();

  constructor(options: LabelledNamespacesOptions) {
    this.#options = options;
  }

  /** The needed namespaces by the cluster state. */
  needed(): NeededNamespaces {
    const { clusterState } = this.#options;
    const desired = new Set<string>();
    for (const { profile } of clusterState.profiles.values())
      for (const namespace of labelledFor(profile)) desired.add(namespace);
    const relied = new Set<string>();
    for (const { reliesOn, fingerprint } of clusterState.policies.values()) {
      for (const namespace of reliesOn) {
        relied.add(namespace);
        // An own policy, for example one that a deleted profile retained: if somebody deletes the bindings, the namespace is
        // covered again.
        if (fingerprint !== undefined) desired.add(namespace);
      }
    }
    return { desired, reliedOn: relied };
  }

  /**
   * The namespaces to cover now: the needed ones, and covered ones that must not be dropped yet.
   *
   * @param covered the namespaces that the bindings cover
   * @returns sorted names
   * @throws ApiError
   */
  async toCover(
    needed: NeededNamespaces,
    covered: readonly string[],
    signal: AbortSignal,
  ): Promise<string[]> {
    const due = this.#dueOf(
      covered.filter((each) => !needed.desired.has(each) && !needed.reliedOn.has(each)),
    );
    const live = due.length > 0 ? await this.#neededLive(signal) : new Set<string>();
    const dropped = new Set(due.filter((each) => !live.has(each)));
    for (const each of dropped) this.#unneededSince.delete(each);
    return [...new Set([...needed.desired, ...covered.filter((each) => !dropped.has(each))])].sort();
  }

  /** The ends of the grace periods of unneeded namespaces, in monotonic milliseconds. */
  graceEnds(): number[] {
    return [...this.#unneededSince.values()].map((since) => since + GRACE_MS);
  }

  /** The unneeded namespaces whose grace period has ended. */
  #dueOf(unneeded: readonly string[]): string[] {
    const now = this.#options.clock.monotonic();
    for (const each of this.#unneededSince.keys())
      if (!unneeded.includes(each)) this.#unneededSince.delete(each);
    for (const each of unneeded) if (!this.#unneededSince.has(each)) this.#unneededSince.set(each, now);
    return unneeded.filter((each) => now - (this.#unneededSince.get(each) ?? now) >= GRACE_MS);
  }

  /** The needed namespaces by live lists, because watches may lag (I4). */
  async #neededLive(signal: AbortSignal): Promise<Set<string>> {
    const { profiles, policies } = this.#options;
    const labelSelector = `${LABEL_MANAGED_BY}=${MANAGER}`;
    const [allProfiles, ownPolicies] = await Promise.all([
      profiles.listAll({ signal }),
      policies.listAll({ labelSelector, signal }),
    ]);
    return new Set([...allProfiles.items.flatMap(labelledFor), ...ownPolicies.items.flatMap(reliedOn)]);
  }
}
